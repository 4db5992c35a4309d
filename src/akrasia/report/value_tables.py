"""Tables of the value–action gap: arms, splits, transitions, and the gap by value, domain and pressure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from akrasia.report.content import Interval
from akrasia.report.tables import Column, Table, ends, three
from akrasia.report.text import plain
from akrasia.report.value_content import ArmContent, PartRow
from akrasia.report.value_wording import METRICS, UNCALIBRATED
from akrasia.report.wording import count, points, with_bounds

SPLIT = {
    "deployed": "deployed",
    "loss": "lost",
    "not_taken": "reachable, not taken",
    "by_chance": "of it by chance",
    "corrected": "beyond chance",
    "unreachable": "unreachable",
}
"""Part of the split → its name."""

VALUE_METRICS = ("f1", "retention", "survival", "suppression", "emergence", "kappa")
GROUP_METRICS = ("macro_f1", "retention", "survival", "suppression", "emergence")

MARK = f" ({UNCALIBRATED})"
"""Ends the heading of a column, or the name of an arm, whose numbers are uncalibrated."""

_TEXTS = ("run", "cell", "model", "mode")


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
    )


def _number(title: str, arms: Sequence[ArmContent]) -> Column:
    """A column of figures; where the judge's errors are not known for any arm, its heading says so."""
    return Column(f"{title}{MARK}" if all(arm.uncalibrated for arm in arms) else title)


def _named(arm: ArmContent, arms: Sequence[ArmContent]) -> str:
    """An arm's label; where the judge's errors are known for others alone, it says so."""
    marked = arm.uncalibrated and not all(other.uncalibrated for other in arms)
    return plain(arm.label) + (MARK if marked else "")


def _level(arms: Sequence[ArmContent]) -> str:
    return f"In points of 100, with {100 * arms[0].level:g} % intervals."


def _about(arm: ArmContent) -> tuple[str, ...]:
    return (arm.run, arm.cell, arm.model, arm.mode)


def _calibration(arm: ArmContent) -> str:
    return UNCALIBRATED if arm.uncalibrated else "calibrated"


def metrics_table(arms: Sequence[ArmContent]) -> Table:
    """Every metric of every arm: an arm a row."""
    names = [name for name in METRICS if name != "f1"]
    columns = (
        Column("arm", number=False),
        *(_number(METRICS[name], arms) for name in names),
        Column("draws"),
        Column("families"),
    )
    rows = tuple(
        (
            _named(arm, arms),
            *(with_bounds(arm.metrics[name]) for name in names),
            count(arm.draws),
            count(arm.clusters),
        )
        for arm in arms
    )
    fields = (*_TEXTS, *(end for name in names for end in ends(name)), "draws", "families", "level", "calibration")
    records = tuple(
        (
            *_about(arm),
            *(end for name in names for end in three(arm.metrics[name])),
            arm.draws,
            arm.clusters,
            arm.level,
            _calibration(arm),
        )
        for arm in arms
    )
    return Table("value-metrics", f"The value–action gap. {_level(arms)}", columns, rows, fields, records)


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
        *(_number(title, split) for title in SPLIT.values()),
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
            (_named(arm, arms), *map(with_bounds, parts), count(found.k), count(found.scenarios), crossed)
        )  # fmt: skip
        records.append(
            (
                *_about(arm),
                *(end for part in parts for end in three(part)),
                found.k,
                found.scenarios,
                crossed,
                _calibration(arm),
            )
        )
    fields = (
        *_TEXTS, *(end for name in SPLIT for end in ends(name)), "k", "scenarios", "cross_fitted", "calibration",
    )  # fmt: skip
    caption = f"Where the loss against the stated values comes from. {_level(arms)}"
    return Table("value-split", caption, columns, tuple(rows), fields, tuple(records))


def transitions_table(arms: Sequence[ArmContent]) -> Table:
    """Cells by path through the stages."""
    columns = (
        Column("arm", number=False),
        Column("stated", number=False),
        Column("in the reasoning", number=False),
        Column("acted on", number=False),
        _number("cells", arms),
        _number("share of stated", arms),
    )
    words = {"1": "yes", "0": "no", "-": "none"}
    rows, records = [], []
    for arm in arms:
        stated = sum(number for path, number in arm.transitions.items() if path[0] == "1")
        for path, number in arm.transitions.items():
            share = number / stated if path[0] == "1" and stated else None
            told = "" if share is None else points(share)
            rows.append((_named(arm, arms), *(words[bit] for bit in path), count(number), told))
            records.append((*_about(arm), path, number, share, _calibration(arm)))
    fields = (*_TEXTS, "path", "cells", "share_of_stated", "calibration")
    caption = "Cells (scenario, draw and value) by their path through the stages; share in points of 100."
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
        *(_number(METRICS[metric], arms) for metric in metrics),
        Column("scenarios"),
        Column("stated cells"),
    )
    rows, records = [], []
    for arm in arms:
        for row in parts(arm):
            figures = [row.figures.get(metric) for metric in metrics]
            few = "" if row.supported else " (few)"
            rows.append(
                (
                    _named(arm, arms),
                    f"{plain(row.name)}{few}",
                    *map(with_bounds, figures),
                    count(row.scenarios),
                    count(row.stated),
                )
            )
            records.append(
                (
                    *_about(arm),
                    row.name,
                    *(end for at in figures for end in three(at)),
                    row.scenarios,
                    row.stated,
                    "yes" if row.supported else "no",
                    _calibration(arm),
                )
            )
    fields = (
        *_TEXTS, part, *(end for metric in metrics for end in ends(metric)), "scenarios", "stated_cells", "supported",
        "calibration",
    )  # fmt: skip
    caption = f"The value–action gap by {part}. {_level(arms)}"
    return Table(name, caption, columns, tuple(rows), fields, tuple(records))
