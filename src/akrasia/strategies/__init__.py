"""How the model deliberates before it commits. A strategy is named ``NAME`` or ``NAME:PARAMETER``.

Live strategies ask the model; pooled ones are computed exactly from the candidates of the `direct` cell beside them.
"""

from __future__ import annotations

from akrasia.core import InputError, Registry, parse_spec
from akrasia.strategies.base import Live, Pooled, all_ended, per_sample

__all__ = ["STRATEGIES", "Live", "Pooled", "all_ended", "build_strategy", "per_sample"]

STRATEGIES: Registry[type[Live] | type[Pooled]] = Registry(
    "strategy",
    "akrasia.strategies",
    {
        "audited": "akrasia.strategies.audited:Audited",
        "adaptive": "akrasia.strategies.adaptive:Adaptive",
        "direct": "akrasia.strategies.direct:Direct",
        "greedy": "akrasia.strategies.direct:Greedy",
        "fast": "akrasia.strategies.slow:Fast",
        "rate": "akrasia.strategies.ratings:Rate",
        "slow": "akrasia.strategies.slow:Slow",
        "state": "akrasia.strategies.tasks:State",
        "stated_first": "akrasia.strategies.tasks:StatedFirst",
        "edited": "akrasia.strategies.edited:Edited",
        "budget_forced": "akrasia.strategies.budget_forced:BudgetForced",
        "few_shot": "akrasia.strategies.few_shot:FewShot",
        "best_of_n": "akrasia.strategies.pooled:BestOfN",
        "self_consistency": "akrasia.strategies.pooled:SelfConsistency",
    },
)


def build_strategy(text: str) -> Live | Pooled:
    """The strategy that a text such as ``self_consistency:16`` names.

    Raises:
        InputError: unknown name, or a parameter that it does not take.
    """
    spec = parse_spec(text)
    factory = STRATEGIES.get(spec.name)
    if not spec.settings:
        return factory.build(spec.parameter)
    if not issubclass(factory, Live):
        raise InputError(f"strategy {text!r} takes no settings after '?'")
    return factory.build_with(spec.parameter, spec.settings)
