from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace
from tests.report.cells import cell

from akrasia.report.canvas import FORMATS, MOST_PANELS, Width, draw
from akrasia.report.content import CellContent, CurvePoint, Interval, Stage
from akrasia.report.figures import CURVES, FIGURES, SUCCESS, WATERFALL
from akrasia.report.palette import DARK, LIGHT
from akrasia.report.svg import inline

MAGIC = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def texts(drawn: bytes) -> list[str]:
    root = ElementTree.fromstring(drawn)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("drawing", FIGURES, ids=lambda drawing: drawing.name)
@pytest.mark.parametrize("form", FORMATS)
def test_a_file_of_each_format_is_the_same_every_time(drawing: object, form: str) -> None:
    first = draw(drawing, [cell()], "wide", form)  # type: ignore[arg-type]
    assert first.startswith(MAGIC[form])
    assert draw(drawing, [cell()], "wide", form) == first  # type: ignore[arg-type]


def test_pdf_embeds_its_fonts() -> None:
    assert b"/FontFile2" in draw(WATERFALL, [cell()], "wide", "pdf")


def test_the_waterfall_names_every_stage_and_step() -> None:
    said = " ".join(texts(draw(WATERFALL, [cell()], "wide", "svg")))
    # 64.3 − 33.1 = 31.2; 68.3 − 64.3 = 4.0; 100 − 68.3 = 31.7
    for words in ("Deployed", "Reachable@16", "Reachable@64", "Perfect", "33.1 [29.1, 37.1]", "+31.2", "+4.0", "+31.7"):
        assert words in said


def test_a_stage_below_the_one_before_is_signed_and_named() -> None:
    stages = (
        Stage("deployed", Interval(0.5, 0.4, 0.6)),
        Stage("recoverable", Interval(0.45, 0.35, 0.55), "verifier harms; not cross-fitted"),
        Stage("reachable", Interval(0.7, 0.6, 0.8)),
    )
    said = " ".join(texts(draw(WATERFALL, [cell(waterfall=stages)], "wide", "svg")))
    assert "verifier harms" in said
    # Nothing was chosen where there is no such stage: what labels put below deployed is no verifier's doing.
    for size in ("wide", "narrow"):
        lower = (Stage("deployed", Interval(0.7)), Stage("reachable", Interval(0.65)))
        drawn = draw(WATERFALL, [cell(waterfall=lower)], size, "svg")
        assert "verifier harms" not in " ".join(texts(drawn))
    assert "−5.0" in said


def test_scales_begin_at_zero_and_end_at_a_hundred() -> None:
    ticks = texts(draw(CURVES, [cell()], "wide", "svg"))
    assert {"0", "20", "40", "60", "80", "100", "1", "16", "64"} <= set(ticks)


@pytest.mark.parametrize("value", [0.04, 0.5])
def test_deployed_is_named_at_its_line_however_wide_its_interval(value: float) -> None:
    """The label keeps its distance to the line when the interval grows."""

    def height(half: float) -> float:
        at = Interval(value, max(0.0, value - half), value + half)
        root = ElementTree.fromstring(draw(CURVES, [cell(deployed=at)], "wide", "svg"))
        (label,) = (text for text in root.iter("{http://www.w3.org/2000/svg}text") if "deployed" in text.itertext())
        return float(label.attrib["y"])

    assert height(0.3) == pytest.approx(height(0.01), abs=0.5)


@pytest.mark.parametrize(
    "odd",
    [
        cell(curve=(), waterfall=(), success=()),
        cell(success=(None, None)),
        cell(deployed=None, reachable=None, risk=None, curve=(), waterfall=()),
        cell(k=1, curve=cell().curve[:1]),
        cell(label="$x_1$ <b>&amp; \x07 " + "w" * 300),
        cell(label="模型 · одна"),
        cell(binary=False, success=(0.1, 0.15, 0.93)),
    ],
    ids=["nothing", "all missing", "undefined", "one candidate", "hostile label", "other scripts", "graded"],
)
def test_odd_cells_are_drawn(odd: CellContent) -> None:
    for drawing in FIGURES:
        ElementTree.fromstring(draw(drawing, [odd], "wide", "svg"))
        ElementTree.fromstring(draw(drawing, [odd, cell(digest="1")], "narrow", "svg"))


def test_many_cells_get_a_panel_each_up_to_a_limit() -> None:
    cells = [cell(label=f"cell {number}", digest=str(number)) for number in range(MOST_PANELS + 2)]
    titles = [text for text in texts(draw(CURVES, cells, "wide", "svg")) if text.startswith("cell ")]
    assert titles == [f"cell {number}" for number in range(MOST_PANELS)]


def test_cells_with_one_pool_share_the_distribution() -> None:
    shared = [cell(label="a", digest="x"), cell(label="b", digest="x"), cell(label="c", digest="y")]
    assert {text for text in texts(draw(SUCCESS, shared, "wide", "svg")) if text in "abc"} == {"a", "c"}


def test_inline_svg_has_the_pages_colours_and_ids_of_its_own() -> None:
    svg = inline(draw(CURVES, [cell()], "wide", "svg"), prefix="curves-wide", label="what < it & shows")
    root = ElementTree.fromstring(svg)
    assert "style=" not in svg
    assert not re.search(r"#[0-9a-f]{6}", svg), "a colour without a name would not follow the theme"
    assert "var(--deployed)" in svg
    assert root.get("aria-label") == "what < it & shows"
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name is not None and name.startswith("curves-wide-") for name in ids)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_deployed_and_reachable_differ_without_colour(theme: dict[str, str]) -> None:
    """On a grey print their bars must still stand out from the paper."""
    for name in ("deployed", "reachable"):
        bright, dark = sorted((luminance(theme[name]), luminance(theme["paper"])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_every_colour_of_the_light_theme_is_one_name_only() -> None:
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert LIGHT.keys() == DARK.keys()


SVG = "{http://www.w3.org/2000/svg}"


def placed(drawn: bytes, start: str) -> list[tuple[float, float]]:
    """Where the texts that begin so stand, in points from the left and the top."""
    root = ElementTree.fromstring(drawn)
    found = [text for text in root.iter(f"{SVG}text") if "".join(text.itertext()).startswith(start)]
    return [(float(text.attrib["x"]), float(text.attrib["y"])) for text in found]


@pytest.mark.parametrize("spread", [(0.45, 0.95), (0.55, 0.92), (0.62, 0.92), (0.78, 0.91)])
def test_the_risk_stands_clear_of_the_name_of_the_curve(spread: tuple[float, float]) -> None:
    """At the end of the curve its band leaves no room above, so its name stands in the gap too."""
    top, deployed = Interval(0.85, *spread), Interval(0.317, 0.25, 0.38)
    wide = Interval(0.533, 0.4, 0.6)
    curve = (CurvePoint(1, Interval(0.5, 0.3, 0.91), wide), CurvePoint(16, top, wide))
    greedy = cell(deployed=deployed, reachable=top, risk=wide, curve=curve, waterfall=())
    drawn = draw(CURVES, [greedy, greedy], "wide", "svg")
    names, risks = placed(drawn, "reachable@k"), placed(drawn, "risk 53.3")
    assert len(names) == len(risks) == 2
    assert min(abs(name - risk) for (_, name), (_, risk) in zip(names, risks, strict=True)) > 9


def test_between_figures_of_two_kinds_no_risk_is_drawn() -> None:
    one = cell()
    assert placed(draw(CURVES, [one], "wide", "svg"), "risk")
    mixed = (*one.curve[:-1], replace(one.curve[-1], risk_uncorrected=True))
    assert not placed(draw(CURVES, [cell(curve=mixed)], "wide", "svg"), "risk")


@pytest.mark.parametrize("value", [0.5, 0.8, 0.995])
def test_the_name_of_the_curve_stands_at_its_line_however_wide_its_band(value: float) -> None:
    ats = [(k, Interval(share * value, 0.2, 0.99)) for k, share in ((1, 0.6), (2, 0.8), (4, 1.0))]
    curve = tuple(CurvePoint(k, at, None) for k, at in ats)
    one = cell(deployed=Interval(0.3, 0.1, 0.6), reachable=curve[-1].reachable, curve=curve, waterfall=())
    drawn = draw(CURVES, [one], "wide", "svg")
    ((_, name),) = placed(drawn, "reachable@k")
    ((_, zero),), ((_, hundred),) = (placed(drawn, text)[:1] for text in ("0", "100"))
    at = (name - zero) / (hundred - zero)  # of the scale, by the ticks
    assert abs(at - value) < 0.12  # a line of text takes some 0.08


def test_the_risk_stands_clear_of_the_name_above_an_earlier_point() -> None:
    """A curve that ends near the top is named above an earlier point, which may be as high as the middle of the gap."""
    wide = Interval(0.533, 0.4, 0.6)
    curve = (
        CurvePoint(1, Interval(0.3, 0.2, 0.4), wide),
        CurvePoint(8, Interval(0.5, 0.4, 0.6), wide),
        CurvePoint(16, Interval(0.9, 0.8, 0.97), wide),
    )
    greedy = cell(deployed=Interval(0.367, 0.3, 0.4), reachable=curve[-1].reachable, risk=wide, curve=curve)
    drawn = draw(CURVES, [greedy, greedy], "wide", "svg")
    names, risks = placed(drawn, "reachable@k"), placed(drawn, "risk 53.3")
    assert len(names) == len(risks) == 2
    assert min(abs(name - risk) for (_, name), (_, risk) in zip(names, risks, strict=True)) > 9


def test_no_connector_of_a_narrow_waterfall_runs_through_a_text() -> None:
    """From 5.0 one would cross the stage's name, from 98.3 its figures; from 40.0 there is room for it."""

    def connectors(at: float) -> int:
        stages = (Stage("deployed", Interval(at, at - 0.01, at + 0.01)), Stage("perfect", Interval(1.0, 1.0, 1.0)))
        root = ElementTree.fromstring(draw(WATERFALL, [cell(waterfall=stages)], "narrow", "svg"))
        styles = [path.attrib.get("style", "") for path in root.iter(f"{SVG}path")]
        return sum("stroke-width: 0.7" in style and "square" not in style for style in styles)

    lines = {at: connectors(at) for at in (0.05, 0.4, 0.983)}
    assert lines[0.05] == lines[0.983] == lines[0.4] - 1


@pytest.mark.parametrize(("deployed", "reached"), [(0.895, 0.985), (0.99, 1.0), (0.3, 0.98), (0.03, 0.04)])
@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_the_name_of_the_curve_stands_above_it_and_clear_of_the_other(
    deployed: float, reached: float, width: Width
) -> None:
    ats = Interval(deployed, deployed - 0.02, min(1.0, deployed + 0.02)), Interval(reached, reached - 0.03, 1.0)
    curve = (CurvePoint(1, ats[0], None), CurvePoint(2, ats[1], None))
    one = cell(deployed=ats[0], reachable=ats[1], k=2, curve=curve, waterfall=())
    drawn = draw(CURVES, [one, cell()], width, "svg")
    (_, name), (_, other) = placed(drawn, "reachable@k")[0], placed(drawn, "deployed")[0]
    ((_, zero),), ((_, hundred),) = (placed(drawn, text)[:1] for text in ("0", "100"))
    assert (name - zero) / (hundred - zero) > reached - 0.03  # its foot; ticks are a third of a line below their line
    assert other - name > 9
