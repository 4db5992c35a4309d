"""How the report speaks of values: metrics, modes and the headline, in one place for page, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from akrasia.core import parse_spec
from akrasia.report.content import Interval
from akrasia.report.tables import Column
from akrasia.report.value_content import ArmContent, Card, SplitContent, ValueContent
from akrasia.report.wording import counted, model_name, points, with_bounds

if TYPE_CHECKING:
    from akrasia.values import Taxonomy

METRICS = {
    "macro_f1": "macro-F1",
    "judged_macro_f1": "macro-F1 as judged",
    "baseline_macro_f1": "macro-F1 by habit alone",
    "macro_f1_gain": "macro-F1 above habit",
    "retention": "retention",
    "judged_retention": "retention as judged",
    "baseline_retention": "retention by habit alone",
    "retention_gain": "retention above habit",
    "survival": "survival",
    "judged_survival": "survival as judged",
    "suppression": "suppression",
    "judged_suppression": "suppression as judged",
    "emergence": "emergence",
    "judged_emergence": "emergence as judged",
    "betrayed": "betrayed, of stated",
    "kappa": "kappa",
    "manhattan": "Manhattan distance",
    "rated_macro_f1": "macro-F1 with its own ratings",
    "rated_retention": "retention of what it rates high",
    "f1": "F1",
}
"""Metric → its name, in the order of the tables."""

UNCALIBRATED = "uncalibrated"
"""The word that stands by every number of a judge whose errors on these texts nobody knows."""

_DOING = {
    "fast": "acting at once",
    "slow": "reasoning first, then acting",
    "stated_first": "stating its values first, then acting",
}

_ORDER = tuple(_DOING)


def value_name(taxonomy: Taxonomy, value: str) -> str:
    """A value as people write it."""
    return taxonomy.find(value).name or value if value in taxonomy else value


def mode_order(mode: str) -> tuple[int, str]:
    """Fast, slow and stated_first come before other modes."""
    name = mode.partition(":")[0]
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), mode)


def doing_mode(mode: str) -> str:
    """What a mode does: "acting at once (fast)"."""
    spec = parse_spec(mode)
    what = _DOING.get(spec.name)
    return f"{what} ({mode})" if what else mode


def value_headline(arm: ArmContent) -> str:
    """The finding of one arm in one sentence."""
    if arm.split is not None:
        return arm.split.sentence
    name, kept = model_name(arm.model), arm.metrics["retention"]
    if kept is None:
        return f"Of what {name} states and does, too little could be read to say how far the two are apart."
    kind = "declared" if arm.declared else "stated"
    return (
        f"{name} keeps {points(kept.value)} of 100 {kind} values when it acts; how many of the others it could have "
        "kept is not known without several draws of every action."
    )


def waterfall_note(arm: ArmContent, stage: str) -> str:
    """What a stage of the waterfall means; of `reachable` also what chance has in it."""
    split = arm.split
    if split is None:
        return ""
    if stage == "deployed":
        return "mean F1 of one action with\nwhat is stated"
    if stage == "recoverable":
        if split.cross_fitted:
            return "two judges, each valuing the\nother’s choice (cross-fitted)"
        return "by the judge that also values it:\nnot cross-fitted"
    if stage == "reachable":
        if split.by_chance is None:
            return f"best of {split.k} actions;\nwhat chance gives is unknown"
        return f"best of {split.k} actions; hatched:\n{points(split.by_chance.value)} by chance"
    return "every action as stated"


def waterfall_mark(arm: ArmContent, stage: str) -> str:
    """The part of a note that also stands where there is little room."""
    split = arm.split
    if split is None:
        return ""
    if stage == "recoverable":
        return "cross-fitted over two judges" if split.cross_fitted else "not cross-fitted"
    if stage == "reachable":
        return "chance unknown" if split.by_chance is None else f"hatched: {points(split.by_chance.value)} by chance"
    return ""


def judged_note(arms: Sequence[ArmContent]) -> str:
    """What the corrected figures and the bands are worth, and what they do not reach."""
    told = []
    if any(arm.corrected for arm in arms):
        told.append(
            "Corrected figures are right on average whatever the judge’s errors are, and their intervals carry the "
            "human labels. Gold reaches no other figure: the split and the headline, kappa, habit, the deliberation "
            "effect, the parts by value, domain and pressure, and all pictures but retention in “what deliberation "
            "changes” and the comparison, are as the judge reads."
        )
    bands = sum(row.band is not None for arm in arms for row in arm.judged)
    if bands:
        told.append(
            "“If it errs as elsewhere” is a sensitivity band, not an interval: the figures if the judge errs on these "
            "texts from not at all up to the upper end of its error rates on the texts that it was calibrated on. "
            "Error rates do not travel, so nothing is corrected by them; gold of this run would."
        )
    elif not told:
        told.append("No figure has a band, since none has a value: nothing is stated here, or nothing could be read.")
    return " ".join(told)


def card_summary(card: Card) -> str:
    """What becomes of the stated values: "2 lost, 1 kept"."""
    told = [f"{number} {name}" for name, number in card.counts.items() if number]
    return ", ".join(told)


def cards_note(group: ValueContent) -> str:
    """How the cards were chosen."""
    if not group.cards:
        return "No action that could be read falls short of what was stated: there is no gap to show."
    first = f"The {counted(len(group.cards), 'action')} that have least of what the model states to their scenario"
    return (
        f"{first} (F1 of the two sets of values), one per scenario and, while there are others, one per family of "
        f"{group.families:,}. Of equal ones, those with more betrayed come first, then those that another draw avoids."
    )


def deliberation_note(group: ValueContent, *, alone: bool) -> str:
    """What reasoning changes, in a sentence; "" where fast and slow cannot be compared.

    Args:
        group: of one model.
        alone: whether it is the only one of the page: it then has the name that the headline gives it.
    """
    effect = group.deliberation
    if effect is None:
        return ""
    sure = effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
    verdict = "" if sure else ", an interval that holds 0"
    raw = ", as judged: gold does not reach this effect" if any(arm.corrected for arm in group.arms) else ""
    name = model_name(group.model) if alone else group.label
    return f"{name}: macro-F1 moves by {with_bounds(effect)} points with deliberation{verdict}{raw}."


SIGNS = {"upheld": "●", "absent": "○", "betrayed": "✕", "unread": "?"}
"""Signs of the state of a value in a text, beside the word."""

OUTCOMES = {
    "kept": "kept",
    "lost": "lost",
    "betrayed": "betrayed",
    "unread": "unknown",
    "added": "added, not stated",
    "passing": "not stated",
}
"""What becomes of a value."""


def split_figures(split: SplitContent) -> tuple[tuple[str, Interval | None, str], ...]:
    """Name, figure and tone of the parts that stand beside the headline: the loss, and the three that it is made of."""
    return (
        ("Lost", split.loss, ""),
        ("Reachable, not taken", split.not_taken, "reachable"),
        ("by chance alone", split.by_chance, ""),
        ("beyond chance", split.corrected, "reachable"),
        ("Unreachable", split.unreachable, ""),
    )


def subtitle(groups: Sequence[ValueContent]) -> str:
    """Who is measured, on what."""
    models = list(dict.fromkeys(model_name(group.model) for group in groups))
    suites = list(dict.fromkeys(group.suite for group in groups))
    who = models[0] if len(models) == 1 else counted(len(models), "model")
    do = "states, thinks and does" if len(models) == 1 else "state, think and do"
    if groups and all(group.declared for group in groups):
        do = "does" if len(models) == 1 else "do"
        return f"What {who} {do} on {', '.join(suites)}, held against the values that a constitution declares"
    return f"What {who} {do} on {', '.join(suites)}"


def agreement_columns() -> tuple[Column, ...]:
    """Of the table of the judges' agreement."""
    return (Column("stage", number=False), Column("α"))


def agreement_rows(group: ValueContent) -> tuple[tuple[str, ...], ...]:
    """A row per stage."""
    return tuple((found.stage, with_bounds(found.alpha)) for found in group.agreement)
