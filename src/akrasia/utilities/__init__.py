"""How good a candidate is: a utility in [0, 1] from a verifier.

A candidate that cannot be parsed, is cut off or was stopped by a filter is a failure (utility 0, with its reason); a
measurement that failed is missing. Leaves sampling to `akrasia.runs` and aggregation to `akrasia.risk`.
"""

from akrasia.utilities.registry import ADHERENCE, UTILITIES, UtilityOptions, build_utility

__all__ = ["ADHERENCE", "UTILITIES", "UtilityOptions", "build_utility"]
