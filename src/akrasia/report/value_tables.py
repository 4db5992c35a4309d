"""Tables of the value–action gap: arms, splits, transitions, and the gap by value, domain and pressure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from akrasia.gap.labels import CORRECTABLE
from akrasia.report.content import Interval
from akrasia.report.study_wording import small
from akrasia.report.tables import Column, Table, ends, three
from akrasia.report.text import plain
from akrasia.report.value_content import ArmContent, JudgedRow, PartRow
from akrasia.report.value_wording import METRICS, UNCALIBRATED
from akrasia.report.wording import count, points, with_bounds

SPLIT = {
    "deployed": "deployed",
    "loss": "lost",
    "not_taken": "reachable, not taken",
    "by_chance": "by chance alone",
    "corrected": "beyond chance",
    "unreachable": "unreachable",
}
"""Part of the split → its name."""

JUDGED = "judged_"
"""Begins the name of a metric as the judge sees it, beside one that gold corrects."""

VALUE_METRICS = ("f1", "retention", "survival", "suppression", "emergence", "kappa")
GROUP_METRICS = ("macro_f1", "retention", "survival", "suppression", "emergence")

MARK = f" ({UNCALIBRATED})"
"""Ends the heading of a column, or the name of an arm, whose numbers are uncalibrated."""

_MOST_ODDS = 1000
"""A larger odds ratio says no more than that there is no bound worth the name."""

ABOUT = ("run", "cell", "model", "mode")


def value_tables(arms: Sequence[ArmContent]) -> tuple[Table, ...]:
    """All tables of the value part of a report; none without arms."""
    if not arms:
        return ()
    return (
        metrics_table(arms),
        split_table(arms),
        transitions_table(arms),
        parts_table("value-by-value", "value", arms, lambda arm: arm.values, VALUE_METRICS),
        parts_table("value-by-domain", "domain", arms, lambda arm: arm.domains, GROUP_METRICS),
        parts_table("value-by-pressure", "pressure", arms, lambda arm: arm.pressures, GROUP_METRICS),
        noise_table(arms),
        contrasts_table(arms),
        *([judged_table(arms)] if any(arm.judged for arm in arms) else []),
    )


def number_column(title: str, arms: Sequence[ArmContent]) -> Column:
    """A column of figures; where the judge's errors are not known for any arm, its heading says so."""
    return Column(f"{title}{MARK}" if all(arm.uncalibrated for arm in arms) else title)


def named(arm: ArmContent, arms: Sequence[ArmContent]) -> str:
    """An arm's label; where the judge's errors are known for others alone, it says so."""
    marked = arm.uncalibrated and not all(other.uncalibrated for other in arms)
    return plain(arm.label) + (MARK if marked else "")


def _level(arms: Sequence[ArmContent]) -> str:
    return f"In points of 100, with {100 * arms[0].level:g} % intervals."


def _unreached(arms: Sequence[ArmContent]) -> str:
    """What a caption adds where gold corrects other figures than those of its table."""
    return " As judged: gold does not reach these." if any(arm.corrected for arm in arms) else ""


def about(arm: ArmContent) -> tuple[str, ...]:
    """The fields of a record that say whose it is; see `ABOUT`."""
    return (arm.run, arm.cell, arm.model, arm.mode)


def calibration(arm: ArmContent) -> str:
    """What is known of the judge's errors: nothing, what gold of this run shows, or what other texts show."""
    if arm.uncalibrated:
        return UNCALIBRATED
    return "gold" if arm.corrected else "calibrated elsewhere"


def metrics_table(arms: Sequence[ArmContent]) -> Table:
    """Every metric of every arm: an arm a row."""
    names = [name for name in METRICS if any(name in arm.metrics for arm in arms)]
    columns = (
        Column("arm", number=False),
        *(number_column(_metric_title(name, arms), arms) for name in names),
        Column("scenarios"),
        Column("draws"),
        Column("families"),
    )
    rows = tuple(
        (
            named(arm, arms),
            *(_metric(arm, name) for name in names),
            count(arm.scenarios),
            count(arm.draws),
            count(arm.clusters),
        )
        for arm in arms
    )
    fields = (
        *ABOUT,
        *(end for name in names for end in ends(name)),
        "scenarios",
        "draws",
        "families",
        "level",
        "corrected",
        "calibration",
    )
    records = tuple(
        (
            *about(arm),
            *(end for name in names for end in three(_at(arm, name))),
            arm.scenarios,
            arm.draws,
            arm.clusters,
            arm.level,
            " ".join(arm.by_gold),
            calibration(arm),
        )
        for arm in arms
    )
    return Table("value-metrics", f"The value–action gap. {_level(arms)}", columns, rows, fields, records)


def _metric_title(name: str, arms: Sequence[ArmContent]) -> str:
    """Where gold corrects some metrics, those that it cannot reach say that they are as judged."""
    reached = name in CORRECTABLE or name.startswith(JUDGED)
    return METRICS[name] if reached or not any(arm.corrected for arm in arms) else f"{METRICS[name]}, as judged"


def _metric(arm: ArmContent, name: str) -> str:
    return with_bounds(_at(arm, name)) + (" (gold)" if name in arm.by_gold else "")


def _at(arm: ArmContent, name: str) -> Interval | None:
    return arm.as_judged(name.removeprefix(JUDGED)) if name.startswith(JUDGED) else arm.metrics.get(name)


def judged_table(arms: Sequence[ArmContent]) -> Table:
    """Metrics as judged, beside what gold of this run or a calibration on other texts makes of them."""
    known = [arm for arm in arms if arm.judged]
    banded = any(row.band for arm in known for row in arm.judged)
    corrected = any(arm.corrected for arm in known)
    columns = (
        Column("arm", number=False),
        Column("metric", number=False),
        *([Column("corrected by gold")] if corrected else []),
        Column("as judged"),
        *([Column("if it errs as elsewhere")] if banded else []),
    )
    rows, records = [], []
    for arm in known:
        for row in arm.judged:
            right = "uncorrected" if row.corrected is None else with_bounds(row.corrected)
            sides = row.band or (None, None)
            rows.append(
                (
                    plain(arm.label),
                    METRICS[row.metric],
                    *([right] if corrected else []),
                    with_bounds(row.judged),
                    *([_band(row)] if banded else []),
                )
            )
            records.append(
                (*about(arm), row.metric, *three(row.corrected), *three(row.judged), *sides, calibration(arm))
            )
    fields = (
        *ABOUT, "metric", *ends("corrected"), *ends("judged"), "band_low", "band_high", "calibration",
    )  # fmt: skip
    caption = f"Metrics as the judge reads them, beside what is known of its errors. {_level(arms)}"
    return Table("value-judged", caption, columns, tuple(rows), fields, tuple(records))


def _band(row: JudgedRow) -> str:
    return "undefined" if row.band is None else f"{points(row.band[0])} to {points(row.band[1])}"


def turned(table: Table) -> tuple[tuple[Column, ...], tuple[tuple[str, ...], ...]]:
    """A table of arms with many columns, for the page: what were its columns become its rows."""
    mark = MARK if any(column.title.endswith(MARK) for column in table.columns) else ""
    columns = (Column("metric", number=False), *(Column(row[0] + mark) for row in table.rows))
    rows = tuple(
        (column.title.removesuffix(MARK), *(row[place] for row in table.rows))
        for place, column in enumerate(table.columns)
        if place
    )
    return columns, rows


def split_table(arms: Sequence[ArmContent]) -> Table:
    """The split of every arm that has one."""
    split = [arm for arm in arms if arm.split is not None]
    columns = (
        Column("arm", number=False),
        *(number_column(title, split) for title in SPLIT.values()),
        Column("actions"),
        Column("scenarios"),
        Column("cross-fitted", number=False),
    )
    rows = []
    records = []
    for arm in split:
        found = arm.split
        assert found is not None  # noqa: S101 - filtered above
        parts: list[Interval | None] = [getattr(found, name) for name in SPLIT]
        crossed = "yes" if found.cross_fitted else "no"
        rows.append(
            (named(arm, arms), *map(with_bounds, parts), count(found.k), count(found.scenarios), crossed)
        )  # fmt: skip
        records.append(
            (
                *about(arm),
                *(end for part in parts for end in three(part)),
                found.k,
                found.scenarios,
                crossed,
                calibration(arm),
            )
        )
    fields = (
        *ABOUT, *(end for name in SPLIT for end in ends(name)), "k", "scenarios", "cross_fitted", "calibration",
    )  # fmt: skip
    caption = f"Where the loss against the stated values comes from. {_level(arms)}{_unreached(arms)}"
    return Table("value-split", caption, columns, tuple(rows), fields, tuple(records))


def transitions_table(arms: Sequence[ArmContent]) -> Table:
    """Cells by path through the stages."""
    columns = (
        Column("arm", number=False),
        Column("stated", number=False),
        Column("in the reasoning", number=False),
        Column("acted on", number=False),
        number_column("cells", arms),
        number_column("share of stated", arms),
    )
    words = {"1": "yes", "0": "no", "-": "none"}
    rows, records = [], []
    for arm in arms:
        stated = sum(number for path, number in arm.transitions.items() if path[0] == "1")
        for path, number in arm.transitions.items():
            share = number / stated if path[0] == "1" and stated else None
            told = "" if share is None else points(share)
            rows.append((named(arm, arms), *(words[bit] for bit in path), count(number), told))
            records.append((*about(arm), path, number, share, calibration(arm)))
    fields = (*ABOUT, "path", "cells", "share_of_stated", "calibration")
    caption = (
        f"Cells (scenario, draw and value) by their path through the stages; share in points of 100.{_unreached(arms)}"
    )
    return Table("value-transitions", caption, columns, tuple(rows), fields, tuple(records))


def parts_table(
    name: str,
    part: str,
    arms: Sequence[ArmContent],
    parts: Callable[[ArmContent], Sequence[PartRow]],
    metrics: Sequence[str],
) -> Table:
    """The gap in parts: a part of an arm a row."""
    columns = (
        Column("arm", number=False),
        Column(part, number=False),
        *(number_column(METRICS[metric], arms) for metric in metrics),
        Column("scenarios"),
        Column("stated cells"),
    )
    rows, records = [], []
    for arm in arms:
        for row in parts(arm):
            figures = [row.figures.get(metric) for metric in metrics]
            few = " (never stated)" if not row.stated else "" if row.supported else " (few)"
            rows.append(
                (
                    named(arm, arms),
                    f"{plain(row.name)}{few}",
                    *map(with_bounds, figures),
                    count(row.scenarios),
                    count(row.stated),
                )
            )
            records.append(
                (
                    *about(arm),
                    row.name,
                    *(end for at in figures for end in three(at)),
                    row.scenarios,
                    row.stated,
                    "yes" if row.supported else "no",
                    calibration(arm),
                )
            )
    fields = (
        *ABOUT, part, *(end for metric in metrics for end in ends(metric)), "scenarios", "stated_cells", "supported",
        "calibration",
    )  # fmt: skip
    caption = f"The value–action gap by {part}. {_level(arms)}{_unreached(arms)}"
    return Table(name, caption, columns, tuple(rows), fields, tuple(records))


def noise_table(arms: Sequence[ArmContent]) -> Table:
    """What varies when the same is done again."""
    columns = (
        Column("arm", number=False),
        Column("what", number=False),
        number_column("disagreement", arms),
        number_column("retest F1", arms),
    )
    rows, records = [], []
    for arm in arms:
        for row in arm.noise:
            f1 = "" if row.f1 is None else with_bounds(row.f1)
            rows.append((named(arm, arms), row.what, with_bounds(row.disagreement), f1))
            records.append((*about(arm), row.what, *three(row.disagreement), *three(row.f1), calibration(arm)))
    fields = (*ABOUT, "what", *ends("disagreement"), *ends("retest_f1"), "calibration")
    caption = (
        "How often labels differ when the same is done again, in points of 100. Noise of the instrument bounds what "
        "any F1 can reach; variation of the policy is what “could and did not” is made of, and is never subtracted."
    )
    return Table("value-noise", caption, columns, tuple(rows), fields, tuple(records))


def contrasts_table(arms: Sequence[ArmContent]) -> Table:
    """Retention under pressure against the neutral scenarios of the same families."""
    columns = (
        Column("arm", number=False),
        Column("pressure", number=False),
        Column("value", number=False),
        number_column("odds ratio", arms),
        number_column("difference", arms),
        Column("adjusted p"),
        Column("pairs"),
    )
    rows, records = [], []
    for arm in arms:
        for row in arm.contrasts:
            rows.append(
                (
                    named(arm, arms),
                    plain(row.pressure),
                    plain(row.value),
                    _odds(row.odds_ratio),
                    with_bounds(row.difference),
                    small(row.p_adjusted),
                    count(row.pairs),
                )
            )
            records.append(
                (
                    *about(arm),
                    row.pressure,
                    row.value,
                    *three(row.odds_ratio),
                    *three(row.difference),
                    row.p_adjusted,
                    row.pairs,
                    calibration(arm),
                )
            )
    fields = (
        *ABOUT, "pressure", "value", *ends("odds_ratio"), *ends("difference"), "p_adjusted", "pairs", "calibration",
    )  # fmt: skip
    caption = (
        "Retention under each pressure against the neutral scenarios of the same families: odds ratios (below 1: the "
        "pressure suppresses) and differences in points, over all values, then those values that a pressure suppresses "
        "after Holm; p by an exact sign-flip test over families."
    )
    return Table("value-contrasts", caption, columns, tuple(rows), fields, tuple(records))


def _odds(at: Interval | None) -> str:
    if at is None:
        return "undefined"
    if at.low is None or at.high is None:
        return _ratio(at.value)
    return f"{_ratio(at.value)} [{_ratio(at.low)}, {_ratio(at.high)}]"


def _ratio(odds: float) -> str:
    return f"{odds:.2f}" if odds < _MOST_ODDS else f"> {_MOST_ODDS}"
