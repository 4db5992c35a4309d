"""`akrasia gap`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import counted, print_json, table

if TYPE_CHECKING:
    from akrasia.gap import Gap, GroupGap, LabelTable, Modes
    from akrasia.stats import Figure


def gap(
    source: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="A run folder, or value labels as .jsonl.")],
    gold: Annotated[
        Path | None,
        typer.Option(help="Human labels of a random part of the scenarios, in the same form, that correct the judge."),
    ] = None,
    threshold: Annotated[float, typer.Option(help="The grade from which a value counts as present.")] = 0.5,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap that carries the gold.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
) -> None:
    """The value-action gap: what is lost between the values stated, reasoned with, and acted on."""
    from akrasia.interop import read_labels

    labels = None if gold is None else read_labels(gold)
    if source.is_dir():
        _of_run(source, labels, (threshold, level, seed), json)
        return
    from akrasia.gap import measure_table

    found = measure_table(read_labels(source), gold=labels, threshold=threshold, level=level, seed=seed)
    print_json(found.record()) if json else _show(found, source.name)


def _of_run(folder: Path, gold: LabelTable | None, how: tuple[float, float, int], json: bool) -> None:
    from msgspec.structs import replace

    from akrasia.gap import measure_table
    from akrasia.runs import load_run
    from akrasia.runs.value_estimates import HowValues, estimate_values

    threshold, level, seed = how
    with load_run(folder) as run:
        found = estimate_values(run, HowValues(threshold, level, seed))
    if gold is not None:
        found = [
            replace(one, gap=measure_table(one.table, gold=gold, threshold=threshold, level=level, seed=seed))
            for one in found
        ]
    if json:
        records = [{"cell": one.group.name, **one.record()} for one in found]
        print_json(records[0] if len(records) == 1 else {"cells": records})
        return
    for number, one in enumerate(found):
        print("\n" * (number > 0), end="")
        for diagnostic in one.diagnostics:
            print(f"{diagnostic.severity}: {diagnostic.message}")
        _show(one.gap, one.group.name)
        for mode, part in one.splits.items():
            print(f"\n{mode}: {part.headline(one.group.stated.model)}")


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _value(figure: Figure | None) -> str:
    return "undefined" if figure is None else f"{figure.value:.3f}"


def _show(found: Modes, name: str) -> None:
    gaps = found.modes
    print(f"{name}: {counted(len(found.values), 'value')}")
    for mode, one in gaps.items():
        families = f" in {counted(one.clusters, 'family', 'families')}" if one.clusters < one.scenarios else ""
        print(f"  {mode}: {counted(one.scenarios, 'scenario')}{families}")
        for diagnostic in one.diagnostics:
            print(f"    {diagnostic.severity}: {diagnostic.message}")
    for diagnostic in found.diagnostics:
        print(f"  {diagnostic.severity}: {diagnostic.message}")
    print()
    first = next(iter(gaps.values()))
    print(table([f"{first.level:.0%} interval", *gaps], _headline(gaps)))
    if found.deliberation_effect is not None:
        effect = _figure(found.deliberation_effect)
        print(f"\nDeliberation effect, macro-F1 of slow less that of fast on the same scenarios: {effect}")
    print()
    for mode, one in gaps.items():
        _remarks(mode, one)
    _transitions(gaps)
    _by_value(gaps)
    _by_group("domain", {mode: one.by_domain for mode, one in gaps.items()})
    _by_group("pressure", {mode: one.by_pressure for mode, one in gaps.items()})
    _by_threshold(gaps)


def _headline(gaps: dict[str, Gap]) -> list[list[str]]:
    baselines = {mode: one.baseline for mode, one in gaps.items()}
    rows: list[tuple[str, list[Figure | None]]] = [
        ("macro-F1", [one.macro_f1 for one in gaps.values()]),
        ("  by habit alone", [None if b is None else b.macro_f1 for b in baselines.values()]),
        ("  above habit", [None if b is None else b.macro_f1_gain for b in baselines.values()]),
        ("kappa", [one.kappa for one in gaps.values()]),
        ("retention", [one.retention for one in gaps.values()]),
        ("  by habit alone", [None if b is None else b.retention for b in baselines.values()]),
        ("  above habit", [None if b is None else b.retention_gain for b in baselines.values()]),
        ("survival", [one.survival for one in gaps.values()]),
        ("suppression", [one.suppression for one in gaps.values()]),
        ("emergence", [one.emergence for one in gaps.values()]),
        ("Manhattan distance", [one.manhattan for one in gaps.values()]),
    ]
    if any(one.betrayed is not None for one in gaps.values()):
        rows.append(("betrayed, of stated", [one.betrayed for one in gaps.values()]))
    return [[label, *map(_figure, figures)] for label, figures in rows]


def _remarks(mode: str, one: Gap) -> None:
    """What stands beside the headline of one arm: the floor of the distance, bounds, raw figures."""
    if one.manhattan_floor:
        print(
            f"\n{mode}: no action could come nearer than {one.manhattan_floor:.3f} on these scales; with both stages "
            f"0 or 1 the Manhattan distance is {_figure(one.manhattan_binary)}"
        )
    if one.missing.share and one.missing.retention is not None:
        bounds = one.missing.retention
        print(f"{mode}: whatever the missing labels are, retention is {bounds.worst:.3f} to {bounds.best:.3f}")
    if one.uncorrected is not None:
        raw = one.uncorrected
        names = {"macro_f1": "macro-F1", **{name: name for name in raw.__struct_fields__ if name != "macro_f1"}}
        known = [f"{names[name]} {_figure(getattr(raw, name))}" for name in names if getattr(raw, name) is not None]
        print(f"{mode}, uncorrected: {', '.join(known) or 'gold corrected nothing'}")


def _transitions(gaps: dict[str, Gap]) -> None:
    """The paths of cells through the stages; arms with and without reasoning have tables of their own."""
    for reasoned in (False, True):
        arms = {
            mode: one.transitions for mode, one in gaps.items() if ("-" not in next(iter(one.transitions))) == reasoned
        }
        if not arms:
            continue
        print()
        rows = [
            [_path(pattern), *(f"{counts[pattern]:,}" for counts in arms.values())]
            for pattern in next(iter(arms.values()))
        ]
        print(table(["stated → reasoning → action" if reasoned else "stated → action", *arms], rows))


def _path(pattern: str) -> str:
    return " → ".join("yes" if bit == "1" else "no" for bit in pattern if bit != "-")


def _by_value(gaps: dict[str, Gap]) -> None:
    print()
    first = next(iter(gaps.values()))
    names = sorted(first.by_value, key=lambda name: -first.by_value[name].support)
    head = ["value", "scenarios", *(f"{figure} {mode}" for mode in gaps for figure in ("F1", "retention"))]
    rows = []
    for name in names:
        parts = [one.by_value[name] for one in gaps.values()]
        mark = "" if parts[0].supported else " (few)"
        rows.append([name + mark, f"{parts[0].support:,}", *(_value(x) for p in parts for x in (p.f1, p.retention))])
    print(table(head, rows))


def _by_group(kind: str, groups: dict[str, dict[str, GroupGap]]) -> None:
    names = sorted({name for parts in groups.values() for name in parts})
    if len(names) < 2:
        return
    print()
    rows = []
    for name in names:
        cells = [parts[name].retention if name in parts else None for parts in groups.values()]
        rows.append([name, *map(_figure, cells)])
    print(table([kind, *(f"retention {mode}" for mode in groups)], rows))


def _by_threshold(gaps: dict[str, Gap]) -> None:
    """How the figures move with the threshold; nothing where every label is 0 or 1 and nothing can move."""
    rows = []
    for parts in zip(*(one.by_threshold for one in gaps.values()), strict=True):
        rows.append(
            [f"{parts[0].threshold:g}", *(_value(x) for part in parts for x in (part.macro_f1, part.retention))]
        )
    if len({tuple(row[1:]) for row in rows}) < 2:
        return
    print()
    print(table(["present from", *(f"{figure} {mode}" for mode in gaps for figure in ("F1", "retention"))], rows))
