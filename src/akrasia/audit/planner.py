"""The planner: the least change that mends a text, and what must be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from akrasia.audit.fenced import Case, fenced_messages, seed_of
from akrasia.audit.records import Plan, Target, Verdict
from akrasia.audit.reply_text import RoleFailed, last_object
from akrasia.core import Reply, Request
from akrasia.values import Taxonomy

PLAN = "audit-plan.v1"

PLAN_TOKENS = 1024
"""Cap on a plan, thoughts included."""

AGAIN_TEMPERATURE = 0.7
"""Of plans after the first: at 0 the same question would get the same answer."""

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"change": {"type": "string"}, "keep": {"type": "string"}},
    "required": ["change", "keep"],
    "additionalProperties": False,
}


def plan_request(
    case: Case, found: tuple[Verdict, Target], taxonomy: Taxonomy, tried: Sequence[str], number: int, tokens: int | None
) -> Request:
    """The question for a plan.

    Args:
        case: the text that stands.
        found: the auditor on it, and what it is held against.
        taxonomy: where the values are defined.
        tried: what was planned before and refused, with the reason.
        number: of the revision.
        tokens: cap on the reply; None: `PLAN_TOKENS`.
    """
    verdict, target = found
    material = {"text": case.text, "evidence": _evidence(verdict), "tried": "\n".join(f"- {one}" for one in tried)}
    fields = {"values": described(taxonomy, in_question(verdict)), "findings": _findings(verdict, target)}
    return Request(
        fenced_messages(PLAN, case, material, fields),
        temperature=0.0 if number == 1 else AGAIN_TEMPERATURE,
        max_tokens=tokens or PLAN_TOKENS,
        seed=seed_of(case, number),
        schema=_SCHEMA,
    )


def read_plan(reply: Reply) -> Plan:
    """The plan in a reply.

    Raises:
        RoleFailed: there is none, or it changes nothing.
    """
    found = last_object(reply, "planner", {"change": str, "keep": str})
    if not found["change"].strip():
        raise RoleFailed("planner", "unreadable: its plan names no change")
    return Plan(found["change"].strip(), found["keep"].strip())


def in_question(verdict: Verdict) -> tuple[str, ...]:
    """The values that a text betrays or lacks, those betrayed first."""
    return (*verdict.betrayed, *verdict.lacking)


def described(taxonomy: Taxonomy, values: Sequence[str]) -> str:
    """The values as prompts list them: the owner's own words."""
    lines = []
    for value in map(taxonomy.find, values):
        examples = [f"{word}: {'; '.join(ones)}" for word, ones in (("acts by it", value.upholds),
                    ("acts against it", value.betrays)) if ones]  # fmt: skip
        lines.append(f"- {value.id}: {value.definition}" + (f" ({' / '.join(examples)})" if examples else ""))
    return "\n".join(lines)


def _findings(verdict: Verdict, target: Target) -> str:
    lines = [f"- {value}: betrayed{_marked(value, target)}" for value in verdict.betrayed]
    lines += [f"- {value}: lacking{_marked(value, target)}" for value in verdict.lacking]
    lines += [f"- {value}: upheld, and has to stay so" for value in verdict.upheld]
    return "\n".join(lines)


def _marked(value: str, target: Target) -> str:
    return " (required)" if value in target.required else ""


def _evidence(verdict: Verdict) -> str:
    readings = verdict.judgement.readings
    quoted = [(value, readings[value].evidence) for value in (*verdict.betrayed, *verdict.upheld)]
    return "\n".join(f"- {value}: {words}" for value, words in quoted if words)
