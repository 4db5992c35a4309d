"""VIVALDI: whether a text keeps the values that it is held against, and the least rewrite that mends it."""

from akrasia.audit.adherence import adherence, constitution_target, failed_required, named_target, stated_target
from akrasia.audit.loop import Auditor
from akrasia.audit.records import (
    AuditStage,
    GuardVerdict,
    Plan,
    Revision,
    Spent,
    Target,
    Trail,
    Verdict,
)

__all__ = [
    "AuditStage",
    "Auditor",
    "GuardVerdict",
    "Plan",
    "Revision",
    "Spent",
    "Target",
    "Trail",
    "Verdict",
    "adherence",
    "constitution_target",
    "failed_required",
    "named_target",
    "stated_target",
]
