"""Whether a rewrite takes the place of the text that stands, and why a text stands in the end, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from akrasia.audit.adherence import adherence, failed_required
from akrasia.audit.records import GuardVerdict, Revision, Target, Verdict

_ROUNDING = 1e-9
"""Weights are sums of floats: a rise by exactly the margin must not fail on their last digit."""


def acceptance(
    before: Verdict, after: Verdict | None, guard: GuardVerdict | None, target: Target, margin: float
) -> tuple[bool, str]:
    """Whether a rewrite is accepted, and the reason.

    Adherence is compared on the values that the auditor read in the text that stands, and all of those of the target
    must have been read in the rewrite too: what became unreadable is not mended.

    Args:
        before: on the text that stands.
        after: on the rewrite; None: there is no verdict.
        guard: None: it was not asked; what is said then is all but the guard's part.
        target: what both are held against.
        margin: by how much adherence has to rise.
    """
    if after is None:
        return False, "the auditor gave no verdict on the rewrite"
    if after.judgement.missing is not None:
        return False, f"the auditor could not read the rewrite: {after.judgement.missing}"
    hidden = [value for value in after.unread if value not in before.unread]
    if hidden:
        return False, f"the auditor could not read {', '.join(hidden)} in the rewrite"
    common = before.judgement.readings.keys() & after.judgement.readings.keys()
    old, new = adherence(before.judgement, target, common), adherence(after.judgement, target, common)
    if old is None or new is None:
        return False, "no value of the target could be read in both texts"
    broken = [value for value in failed_required(after, target) if value in before.upheld]
    if broken:
        return False, f"the rewrite no longer upholds {', '.join(broken)}, which is required"
    change = f"adherence {old:.3f} → {new:.3f}"
    if new <= old:
        return False, f"{change} does not rise"
    if new - old < margin - _ROUNDING:
        return False, f"{change} rises by less than {margin:g}"
    if guard is None:
        return True, change
    if guard.loses is None:
        return False, f"{change}, and the guard's two orders give no consistent verdict, which counts as a loss"
    if guard.loses:
        return False, f"{change}, and the guard finds that task content is lost"
    return True, f"{change}, and the guard finds no loss"


def outcome(first: Verdict, last: Verdict, revisions: Sequence[Revision], missing: str | None, budget: int) -> str:
    """Why the text stands that stands in the end.

    Args:
        first: on the original.
        last: on the text that stands.
        revisions: the attempts between them.
        missing: why the original could not be measured; None where it was.
        budget: the most revisions there could have been.
    """
    if missing is not None:
        return f"the original stands, unmeasured: {missing}"
    unread = f"; could not be read: {', '.join(last.unread)}" if last.unread else ""
    if not (first.lacking or first.betrayed):
        return f"the original stands: nothing lacks and nothing is betrayed{unread}"
    short = _short_of(last)
    if not budget:
        return f"the original stands: it was audited only{short}{unread}"
    accepted = [revision for revision in revisions if revision.accepted]
    refused = [revision for revision in revisions if not revision.accepted]
    if accepted:
        after = [revision for revision in refused if revision.number > accepted[-1].number]
        said = f"revision {accepted[-1].number} stands: {accepted[-1].reason}"
    else:
        after = refused
        said = "the original stands"
    said += "".join(f"; revision {one.number} refused: {one.reason}" for one in after)
    return f"{said}{short}{unread}"


def _short_of(verdict: Verdict) -> str:
    parts = [("betrayed", verdict.betrayed), ("lacking", verdict.lacking)]
    return "".join(f"; still {word}: {', '.join(values)}" for word, values in parts if values)
