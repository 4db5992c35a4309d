"""How the report says things: numbers, names and the headline sentence, in one place for page, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from akrasia.core import parse_spec
from akrasia.report.content import CellContent, Interval, ItemChoice

SOURCES = {
    "finite_candidates": "finite candidates: what four times as many would add to reachable",
    "finite_items": "finite items: half-width of the interval of the risk",
    "verifier": "imperfect verifier: uncorrected minus corrected",
}
"""What each source of error is, and how its size is measured."""

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def points(utility: float | None, *, signed: bool = False) -> str:
    """A utility as points of 100, with one decimal: 0.3124 → "31.2"."""
    if utility is None:
        return "undefined"
    text = f"{100 * utility:+.1f}" if signed else f"{100 * utility:.1f}"
    if float(text) == 0:
        text = "0.0"
    return text.replace("-", MINUS)


def bounds(interval: Interval | None) -> str:
    """The interval of a figure in points: "[27.0, 35.4]"; "" where there is none."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f"[{points(interval.low)}, {points(interval.high)}]"


def with_bounds(interval: Interval | None) -> str:
    """Value and interval: "31.2 [27.0, 35.4]"."""
    if interval is None:
        return "undefined"
    return f"{points(interval.value)} {bounds(interval)}".rstrip()


def count(number: int | None) -> str:
    """12345 → "12,345"; None → "unknown"."""
    return "unknown" if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Number and noun: "1 item", "12 items"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def model_name(model: str) -> str:
    """A model's own name, without backend and address: ``local:smollm2`` → ``smollm2``."""
    head, separator, rest = model.partition(":")
    return (rest if separator and rest else head).partition("@http")[0]


def doing(cell: CellContent) -> str:
    """What the strategy does, as it stands after the model's name: "drawing once at T = 1"."""
    at = f"at T = {cell.temperature:g}"
    spec = parse_spec(cell.strategy)
    phrases = {
        "direct": f"drawing once {at}" if cell.temperature > 0 else "decoding greedily",
        "greedy": "decoding greedily",
        "fast": f"acting at once {at}",
        "slow": f"reasoning first and then acting {at}",
        "self_consistency": f"committing to the majority answer of {spec.parameter} draws {at}",
        "best_of_n": f"committing to the best of {spec.parameter} draws {at}, as the utility itself ranks them",
    }
    return phrases.get(spec.name, f"with the strategy {cell.strategy} {at}")


def strategy_name(cell: CellContent) -> str:
    """The strategy in a few words, for labels: "one draw"."""
    spec = parse_spec(cell.strategy)
    names = {
        "direct": "one draw",
        "greedy": "greedy",
        "self_consistency": f"majority of {spec.parameter}",
        "best_of_n": f"best of {spec.parameter}",
    }
    return names.get(spec.name, cell.strategy)


def stage_name(cell: CellContent, stage: str) -> str:
    """Name of a stage of the waterfall: "Reachable@16"."""
    numbered = {"reachable": f"Reachable@{cell.k}", "reachable_4k": f"Reachable@{4 * cell.k}"}
    return numbered.get(stage, stage.capitalize())


def stage_note(cell: CellContent, stage: str) -> str:
    """What a stage of the waterfall means in this cell."""
    pool = "its own" if cell.own_pool else "the direct"
    return {
        "deployed": strategy_name(cell),
        "recoverable": f"best of {cell.k} by the verifier at hand",
        "reachable": f"best of {pool} {cell.k}",
        "reachable_4k": f"best of {4 * cell.k}, extrapolated",
        "perfect": "utility 1 on every item",
    }.get(stage, "")


def headline(cell: CellContent) -> str:
    """The finding in one sentence, with its interval."""
    name = model_name(cell.model) + (f" ({cell.apart})" if cell.apart else "")
    who = f"{name}, {doing(cell)},"
    if cell.deployed is None:
        if any(share is not None for share in cell.success):
            return f"Of {who} no figure has a value on {cell.suite}."
        return f"Of {who} nothing could be measured on {cell.suite}."
    if cell.risk is None or (cell.k == 1 and cell.own_pool):
        why = "one candidate per item leaves nothing to compare it with" if cell.k == 1 else "the diagnostics say why"
        reached = f"{who} earns {with_bounds(cell.deployed)} points of utility on {cell.suite}"
        return f"{reached}; its risk is not defined: {why}."
    best = f"the best of its own {cell.k} candidates"
    chosen = _chosen_from(cell)
    if not cell.own_pool:
        most = max(cell.k, chosen)
        draws = "the one candidate drawn directly" if most == 1 else f"{most} direct draws"
        best = f"the best of {draws}" + ("" if chosen else " and its own choice")
    unfinished = next((found for found in cell.diagnostics if found.code == "incomplete"), None)
    so_far = "So far, in a run that is not finished, " if unfinished else ""
    if parse_spec(cell.strategy).name == "best_of_n" and cell.k <= chosen:
        earned = f"earns {with_bounds(cell.deployed)} points of utility on {cell.suite}"
        return f"{so_far}{who} {earned}; against {best} it loses nothing, by definition."
    mark = " (not corrected by the labels)" if uncorrected(cell, "risk") else ""
    return f"{so_far}{who} loses {with_bounds(cell.risk)} points of utility{mark} on {cell.suite} against {best}."


def uncorrected(cell: CellContent, figure: str) -> bool:
    """Whether labels were given that leave a figure of the headline as the verifier had it."""
    return cell.corrected is not None and figure not in cell.corrected


def _chosen_from(cell: CellContent) -> int:
    """Among how many of the direct draws a pooled strategy chooses; 0: its choice is none of them."""
    spec = parse_spec(cell.strategy)
    pooled = not cell.own_pool and spec.name in ("best_of_n", "self_consistency") and spec.parameter.isdecimal()
    return int(spec.parameter) if pooled else 0


def has_budget(cell: CellContent) -> bool:
    """Whether anything can be said about how wrong the risk may be."""
    known = any(size is not None for size in cell.budget.values())
    return known or cell.missing_risk is not None or cell.limit_low is not None


def reading(cell: CellContent) -> str:
    """A second sentence that puts the headline in its place: what is deployed, what is reachable, what is neither.

    Where nothing could be measured, it says why.
    """
    if cell.deployed is None:
        return " ".join(sentence(found.message) for found in cell.diagnostics if found.code == "undefined")
    if cell.risk is None or cell.reachable is None or cell.deployed is None:
        return ""
    by = " and ".join(cell.utilities) or "the judge"
    reached, after = cell.reachable, ""
    if cell.corrected == ():
        after = " The labels correct none of these figures; the diagnostics say why."
    elif cell.raw is not None and uncorrected(cell, "deployed"):
        # In one sentence no figure may be corrected where another is not.
        reached = cell.raw[1] or cell.reachable
        after = f" The labels correct reachable alone, to {points(cell.reachable.value)}."
    elif cell.raw is not None:
        by += ", corrected by labels"
        names = zip(("deployed", "reachable", "risk"), cell.raw, strict=True)
        had = ", ".join(f"{name} {points(None if figure is None else figure.value)}" for name, figure in names)
        after = f" Uncorrected: {had}."
    number = counted(max(cell.k, _chosen_from(cell)), "candidate")
    return (
        f"By the utility {by}, it earns {points(cell.deployed.value)} of 100 points where {points(reached.value)} were "
        f"reachable with {number}; the other {points(1 - reached.value)} lie beyond what was drawn.{after}"
    )


def stages_note(cells: Sequence[CellContent]) -> str:
    """Which waterfalls gold corrects and which it leaves, a sentence with a space before it; "" without gold."""
    if all(cell.corrected is None for cell in cells):
        return ""
    left = [cell.label for cell in cells if uncorrected(cell, "deployed")]
    if not left:
        return " All stages are corrected by the labels."
    if len(left) == len(cells):
        return " All stages are as the verifier had them: the labels do not correct what is deployed."
    return f" As the verifier had them, and not corrected by the labels, are the stages of: {'; '.join(left)}."


def moved_by_gold(cell: CellContent) -> str:
    """What the labels took off each figure that they correct: "deployed 14.3, reachable 0.0, risk −14.3"."""
    if cell.raw is None or not cell.corrected:
        return ""
    parts = []
    for name, figure, had in zip(
        ("deployed", "reachable", "risk"), (cell.deployed, cell.reachable, cell.risk), cell.raw, strict=True
    ):
        if name in cell.corrected and figure is not None and had is not None:
            parts.append(f"{name} {points(had.value - figure.value)}")
    return ", ".join(parts)


def shown_note(choice: ItemChoice) -> str:
    """Which items the table shows, and how they were chosen."""
    if choice.complete:
        return f"All {counted(choice.total, 'item')}, by falling loss."
    largest = len(choice.rows) - choice.sampled
    drawn = f" and {choice.sampled:,} of the others, drawn at random (seed {choice.seed})" if choice.sampled else ""
    shown = f"{len(choice.rows):,} of {choice.total:,} items, by falling loss"
    return f"{shown}: the {largest:,} with the largest loss{drawn}. The run's store has them all."


def sentence(text: str) -> str:
    """A message as a sentence: with a capital letter and a full stop."""
    text = text.strip()
    first = text.partition(" ")[0]
    start = text[:1].upper() if first.isalpha() else text[:1]  # a name such as best_of_n stays as it is
    return start + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def suite_name(suite: str) -> str:
    """A suite's name; a file's without its folders."""
    return Path(suite).name if suite.endswith(".jsonl") else suite


def short(text: str, most: int) -> str:
    """At most so many characters, on one line, with an ellipsis where text was left out."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
