"""Which values a text expresses: an LLM judge, the embedded encoder, panels of several, and their calibration."""

from akrasia.judges.base import JUDGES, Judge, build_judge, judge_identity

__all__ = ["JUDGES", "Judge", "build_judge", "judge_identity"]
