"""The rewriter: a text mended as a plan says. And the placebo, which only says it in other words."""

from __future__ import annotations

from akrasia.audit.fenced import Case, fenced_messages, restored, seed_of
from akrasia.audit.planner import described
from akrasia.audit.records import Plan, Target
from akrasia.audit.reply_text import RoleFailed, whole_text
from akrasia.core import Reply, Request
from akrasia.judges.llm_prompt import FENCE
from akrasia.values import Taxonomy

REWRITE, PARAPHRASE = "audit-rewrite.v1", "audit-paraphrase.v1"

REWRITE_TEMPERATURE = 0.7
"""Of every rewrite: at 0 small models repeat a sentence until they are cut off."""

SPARE_TOKENS = 1024
"""Room for thoughts, and for a rewrite that is longer than its text."""


def rewrite_request(
    case: Case, plan: Plan, target: Target, taxonomy: Taxonomy, number: int, tokens: int | None
) -> Request:
    """The question for a text that follows a plan.

    Args:
        case: the text that stands.
        plan: the planner's words. They are fenced like all material, since the planner has read the text.
        target: what the rewrite has to keep.
        taxonomy: where the values are defined.
        number: of the revision.
        tokens: cap on the reply; None: a token for each character of the text, which is enough in any script, and
            `SPARE_TOKENS`.
    """
    material = {"text": case.text, "plan": f"Change: {plan.change}\nKeep: {plan.keep}"}
    values = [value for value in taxonomy.ids if value in target.weights]
    return _request(REWRITE, case, material, {"values": described(taxonomy, values)}, number, tokens)


def paraphrase_request(case: Case, number: int, tokens: int | None) -> Request:
    """The placebo's question: it is told neither values nor findings. See `rewrite_request`."""
    return _request(PARAPHRASE, case, {"text": case.text}, {}, number, tokens)


def read_rewrite(reply: Reply, case: Case) -> str:
    """The new text in a reply.

    Raises:
        RoleFailed: there is none, it is not new, or it holds a fence: then nobody can tell the text from the material.
    """
    lines = whole_text(reply, "rewriter").split("\n")
    while lines and FENCE.fullmatch(lines[0].strip()):
        lines.pop(0)
    while lines and FENCE.fullmatch(lines[-1].strip()):
        lines.pop()
    text = restored("\n".join(lines).strip(), case)
    if not text:
        raise RoleFailed("rewriter", "its reply is empty")
    if any(FENCE.fullmatch(line.strip()) for line in lines) and not any(
        FENCE.fullmatch(line.strip()) for line in case.text.split("\n")
    ):
        raise RoleFailed("rewriter", "unreadable: its reply repeats the fenced material")
    return text


def _request(
    name: str, case: Case, material: dict[str, str], fields: dict[str, str], number: int, tokens: int | None
) -> Request:
    return Request(
        fenced_messages(name, case, material, fields),
        temperature=REWRITE_TEMPERATURE,
        max_tokens=tokens or SPARE_TOKENS + len(case.text),
        seed=seed_of(case, number),
    )
