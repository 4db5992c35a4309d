"""The value–action gap as text, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from akrasia.cli.output import counted, interval, interval_of, table

if TYPE_CHECKING:
    from akrasia.gap import Gap, GroupGap, Modes
    from akrasia.gap.results import ValueGap
    from akrasia.runs.value_estimates import ValueEstimate
    from akrasia.stats import Figure


def _value(figure: Figure | None) -> str:
    return "undefined" if figure is None else f"{figure.value:.3f}"


def show_gap(found: Modes, name: str) -> None:
    """Every mode's figures with their intervals."""
    gaps = found.modes
    print(f"{name}: {counted(len(found.values), 'value')}")
    for mode, one in gaps.items():
        families = f" in {counted(one.clusters, 'family', 'families')}" if one.clusters < one.scenarios else ""
        draws = f", {counted(one.draws, 'draw')}" if one.draws > one.scenarios else ""
        print(f"  {mode}: {counted(one.scenarios, 'scenario')}{families}{draws}")
        for diagnostic in one.diagnostics:
            print(f"    {diagnostic.severity}: {diagnostic.message}")
    for diagnostic in found.diagnostics:
        print(f"  {diagnostic.severity}: {diagnostic.message}")
    print()
    first = next(iter(gaps.values()))
    print(table([interval_of(first.level), *gaps], _headline(gaps)))
    raw = _raw(gaps)
    if found.deliberation_effect is not None:
        effect = interval(found.deliberation_effect)
        print(f"\nDeliberation effect, macro-F1 of slow less that of fast on the same scenarios{raw}: {effect}")
    print()
    for mode, one in gaps.items():
        _remarks(mode, one)
    _transitions(gaps)
    _by_value(gaps)
    _by_group(f"domain{raw}", {mode: one.by_domain for mode, one in gaps.items()})
    _by_group(f"pressure{raw}", {mode: one.by_pressure for mode, one in gaps.items()})
    _by_threshold(gaps)


def _raw(gaps: dict[str, Gap]) -> str:
    """What stands by figures that gold does not reach, where it corrected others."""
    return ", as judged" if any(one.corrected for one in gaps.values()) else ""


def _headline(gaps: dict[str, Gap]) -> list[list[str]]:
    """The figures of every arm; what gold corrected is marked, and what belongs together is of one kind."""
    arms, raw = list(gaps.values()), _raw(gaps)
    rows = []
    for name, label in (("macro_f1", "macro-F1"), ("retention", "retention")):
        rows.append([label, *(_marked(one, name) for one in arms)])
        if raw:
            rows.append(["  as judged", *(interval(_judged(one, name)) for one in arms)])
        for part, what in ((name, "by habit alone"), (f"{name}_gain", "above habit")):
            blind = [None if one.baseline is None else getattr(one.baseline, part) for one in arms]
            rows.append([f"  {what}{raw}", *map(interval, blind)])
        if name == "macro_f1":
            rows.append([f"kappa{raw}", *(interval(one.kappa) for one in arms)])
    rows += [[name, *(_marked(one, name) for one in arms)] for name in ("survival", "suppression", "emergence")]
    rows.append([f"Manhattan distance{raw}", *(interval(one.manhattan) for one in arms)])
    if any(one.missing.betrayed is not None for one in arms):
        rows.append([f"betrayed, of stated{raw}", *(interval(one.betrayed) for one in arms)])
    return rows


def _marked(one: Gap, name: str) -> str:
    return interval(getattr(one, name)) + (" (gold)" if name in one.corrected else "")


def _judged(one: Gap, name: str) -> Figure | None:
    """The figure as the judge sees it, whether gold took its place or not."""
    figure: Figure | None = getattr(one.uncorrected if name in one.corrected else one, name)
    return figure


def _remarks(mode: str, one: Gap) -> None:
    """What stands beside the headline of one arm: the floor of the distance, bounds, raw figures."""
    if one.manhattan_floor:
        print(
            f"\n{mode}: no action could come nearer than {one.manhattan_floor:.3f} on these scales; with both stages "
            f"0 or 1 the Manhattan distance is {interval(one.manhattan_binary)}"
        )
    if one.missing.share and one.missing.retention is not None:
        bounds = one.missing.retention
        kept = f"retention{' as judged' if 'retention' in one.corrected else ''}"
        print(f"{mode}: whatever the missing labels are, {kept} is {bounds.worst:.3f} to {bounds.best:.3f}")
    if one.missing.betrayed and one.missing.betrayal is not None:
        bounds = one.missing.betrayal
        print(
            f"{mode}: whatever the missing labels are, betrayed, of stated is {bounds.best:.3f} to {bounds.worst:.3f}"
        )
    if one.uncorrected is not None:
        raw = one.uncorrected
        names = {"macro_f1": "macro-F1", **{name: name for name in raw.__struct_fields__ if name != "macro_f1"}}
        known = [f"{names[name]} {interval(getattr(raw, name))}" for name in names if getattr(raw, name) is not None]
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
        stages = "stated → reasoning → action" if reasoned else "stated → action"
        print(table([stages + _raw(gaps), *arms], rows))


def _path(pattern: str) -> str:
    return " → ".join("yes" if bit == "1" else "no" for bit in pattern if bit != "-")


def _by_value(gaps: dict[str, Gap]) -> None:
    print()
    first = next(iter(gaps.values()))
    names = sorted(first.by_value, key=lambda name: -first.by_value[name].support)
    head = [f"value{_raw(gaps)}", "scenarios", *(f"{figure} {mode}" for mode in gaps for figure in ("F1", "retention"))]
    rows = []
    for name in names:
        parts = [one.by_value[name] for one in gaps.values()]
        mark = _undefined_why(parts) or ("" if parts[0].supported else " (few)")
        rows.append([name + mark, f"{parts[0].support:,}", *(_value(x) for p in parts for x in (p.f1, p.retention))])
    print(table(head, rows))


def _undefined_why(parts: Sequence[ValueGap]) -> str:
    """Why a value has no retention, or nothing at all, in any arm; "" where it has."""
    paths = [path for part in parts for path, number in part.transitions.items() if number]
    if not paths:
        return " (no label known)"
    stated, acted = (any(path[place] == "1" for path in paths) for place in (0, 2))
    if stated:
        return ""
    return " (never stated)" if acted else " (never stated nor acted on)"


def _by_group(kind: str, groups: dict[str, dict[str, GroupGap]]) -> None:
    names = sorted({name for parts in groups.values() for name in parts})
    if len(names) < 2:
        return
    print()
    rows = []
    for name in names:
        cells = [parts[name].retention if name in parts else None for parts in groups.values()]
        rows.append([name, *map(interval, cells)])
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
    print(
        table(
            [f"present from{_raw(gaps)}", *(f"{figure} {mode}" for mode in gaps for figure in ("F1", "retention"))],
            rows,
        )
    )


def show_parts(found: ValueEstimate) -> None:
    """What a run tells beside the metrics: the split, noise, agreement, ratings, pressures, bands."""
    for mode, split in found.splits.items():
        print(f"\n{mode}: {split.headline(found.group.stated.model)}")
        rows = [
            ["loss", interval(split.loss)],
            ["  reachable and not taken", interval(split.not_taken)],
            ["    by chance alone", interval(split.by_chance)],
            ["    beyond chance", interval(split.corrected)],
            [f"  out of reach with {split.k} tries", interval(split.unreachable)],
        ]
        if split.cross_fitted:
            rows.append(["recoverable by judges who value each other's choice", interval(split.recoverable)])
        judged = _raw({mode: found.gap.modes[mode]})
        print(table([f"split of the loss, {mode}{judged}", "F1 with the stated set"], rows))
        for diagnostic in split.diagnostics:
            print(f"  {diagnostic.severity}: {diagnostic.message}")
    _noise(found)
    if found.agreement:
        print()
        print(table(["judges agree", "Krippendorff's α"], [[n, interval(f)] for n, f in found.agreement.items()]))
    if found.rated is not None:
        rated = found.rated.gap.modes
        rows = [[mode, interval(one.macro_f1), interval(one.retention)] for mode, one in rated.items()]
        print()
        print(table(["against ratings", "macro-F1", "retention"], rows))
    for mode, contrasts in found.contrasts.items():
        suppressed = contrasts.suppressed()
        named = "; ".join(
            f"{one.pressure} on {one.value} (odds × {interval(one.odds_ratio)})" for one in suppressed[:10]
        )
        print(f"\n{mode}, pressures that suppress a value (Holm over all): {named or 'none shown'}")
    for mode, band in found.bands.items():
        shown = ", ".join(
            f"{name.replace('_', '-')} {one.low:.3f} to {one.high:.3f}"
            for name, one in (("macro_F1", band.macro_f1), ("retention", band.retention))
            if one is not None
        )
        told = f"{shown} ({band.kind})" if shown else "no figure has a band, since none has a value"
        print(f"\n{mode}, if the judge erred here as in its calibration or less: {told}")


def _noise(found: ValueEstimate) -> None:
    rows = []
    for mode, noise in found.noise.items():
        again = {
            "the same statement judged again": noise.stated_judged,
            "values stated again": noise.stated_elicited,
            "the same action judged again": noise.action_judged,
            "the action drawn again": noise.action_drawn,
        }
        rows += [
            [f"{mode}: {what}", interval(one.disagreement), interval(one.f1)] for what, one in again.items() if one
        ]
        if noise.corrected is not None:
            rows.append([f"{mode}: stated against acted, less noise", interval(noise.corrected), ""])
    if rows:
        print()
        print(table(["labels that differ when", "share", "retest F1"], rows))
