"""The data of a study's figures, as lines of points: what each named figure shows. Drawing is the report's part."""

from __future__ import annotations

from collections.abc import Callable

from akrasia.runs.estimates import CellEstimate
from akrasia.stats import Figure
from akrasia.studies.audit import audited_f1
from akrasia.studies.cells import Cells, Place, label, short_model
from akrasia.studies.deliberation import edited_f1, moved
from akrasia.studies.evidence import sweep_of
from akrasia.studies.findings import Line, Panel, Point, Series

RISK = "risk, points of utility"


def series(name: str, cells: Cells) -> Series | None:
    """The data of a figure; None where it is drawn from the run itself, or nothing was measured for it."""
    if name not in _FIGURES:
        return None
    found = _FIGURES[name](cells)
    return found if found.panels else None


def _by_temperature(cells: Cells) -> Series:
    panels = []
    votes = [text for text in cells.config.strategy if text.startswith("self_consistency:")]
    most = max(votes, key=lambda text: int(text.partition(":")[2]), default=None)
    for place in cells.places:
        lines = [_over_temperatures(cells, place, "direct", "one draw", "deployed")]
        if most is not None:
            name = f"majority of {most.partition(':')[2]}"
            lines.append(_over_temperatures(cells, place, most, name, "reachable"))
        lines.append(_level(cells, place, "greedy", "greedy"))
        panels.append(_panel(cells, place, lines))
    return Series(
        "risk-by-temperature", "Rational value risk by temperature, with intervals", "temperature", RISK, "linear", (),
        _known(panels),
    )  # fmt: skip


def _by_votes(cells: Cells) -> Series:
    panels = []
    sizes: dict[int, None] = {1: None}
    for place in cells.places:
        votes = list(cells.swept(place, "self_consistency"))
        sizes.update(dict.fromkeys(number for number, _ in votes))
        one = cells.find(place, "direct")
        first = [] if one is None else _point(1, one.record.risk)
        rest = [point for number, found in votes if number > 1 for point in _point(number, found.record.risk)]
        majority = Line("majority vote", "reachable", tuple(first + rest))
        panels.append(_panel(cells, place, [majority, _level(cells, place, "greedy", "greedy")]))
    ordered = sorted(sizes)
    where = {number: float(place) for place, number in enumerate(ordered)}
    return Series(
        "risk-by-votes", "Rational value risk of a majority vote by its size, with intervals", "draws that vote, n",
        RISK, "category", tuple((where[number], str(number)) for number in ordered),
        tuple(_moved(panel, where) for panel in _known(panels)),
    )  # fmt: skip


def _by_length(cells: Cells) -> Series:
    panels = []
    for place in cells.places:
        sweep = sweep_of(cells, place, "budget_forced")
        points = () if sweep is None else tuple(
            point for at in sweep.points for point in _point(at.length, at.risk)
        )  # fmt: skip
        direct = cells.find(place, "direct")
        level = Line("one draw", "deployed", _flat(direct), flat=True)
        panels.append(_panel(cells, place, [Line("answer forced", "reachable", points), level]))
    return Series(
        "risk-by-length", "Risk against the common pool of direct draws, by length of the reasoning, with intervals",
        "tokens of reasoning, L", RISK, "linear", (), _known(panels),
    )  # fmt: skip


def _stages(cells: Cells) -> Series:
    models = cells.config.model
    panels = []
    for place in cells.places:
        if place.model != models[0]:
            continue
        found = [
            (number, cells.find(Place(model, place.suite, place.seed), "direct")) for number, model in enumerate(models)
        ]
        reachable = [point for number, cell in found if cell for point in _point(number, cell.record.reachable)]
        deployed = [point for number, cell in found if cell for point in _point(number, cell.record.deployed)]
        k = next((cell.record.k for _, cell in found if cell), 0)
        lines = (Line(f"reachable@{k}", "reachable", tuple(reachable)), Line("deployed", "deployed", tuple(deployed)))
        seeds = f" · seed {place.seed}" if len(cells.config.seed) > 1 else ""
        panels.append(Panel(f"{place.suite}{seeds}", lines))
    return Series(
        "stages", "Reachable and deployed utility by stage, with intervals", "", "points of utility", "category",
        tuple((float(number), short_model(model)) for number, model in enumerate(models)), _known(panels),
    )  # fmt: skip


_FIGURES: dict[str, Callable[[Cells], Series]] = {
    "risk_by_temperature": _by_temperature,
    "risk_by_votes": _by_votes,
    "risk_by_length": _by_length,
    "stages": _stages,
    "moved": moved,
    "edited_f1": edited_f1,
    "audited_f1": audited_f1,
}


def _over_temperatures(cells: Cells, place: Place, strategy: str, name: str, role: str) -> Line:
    points = []
    for temperature in sorted(cells.config.temperature):
        found = cells.find(place, strategy, temperature)
        if found is not None:
            points += _point(temperature, found.record.risk)
    return Line(name, "deployed" if role == "deployed" else "reachable", tuple(points))


def _level(cells: Cells, place: Place, strategy: str, name: str) -> Line:
    return Line(name, "beyond", _flat(cells.find(place, strategy)), flat=True)


def _flat(found: CellEstimate | None) -> tuple[Point, ...]:
    return () if found is None else tuple(_point(0.0, found.record.risk))


def _point(x: float, figure: Figure | None) -> list[Point]:
    return [] if figure is None else [Point(float(x), figure.value, figure.low, figure.high)]


def _panel(cells: Cells, place: Place, lines: list[Line]) -> Panel:
    return Panel(label(place, cells.config), tuple(line for line in lines if line.points))


def _known(panels: list[Panel]) -> tuple[Panel, ...]:
    return tuple(panel for panel in panels if any(line.points for line in panel.lines))


def _moved(panel: Panel, where: dict[int, float]) -> Panel:
    """Points of numbered categories, put where their category stands."""
    lines = tuple(
        line
        if line.flat
        else Line(
            line.label, line.role, tuple(Point(where[int(p.x)], p.value, p.low, p.high) for p in line.points), line.flat
        )
        for line in panel.lines
    )
    return Panel(panel.label, lines)
