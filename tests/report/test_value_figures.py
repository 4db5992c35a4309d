from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from tests.report.value_runs import deserter, half_hearted  # noqa: F401 - fixtures, used by their names

from akrasia.report.canvas import FORMATS
from akrasia.report.content import Interval
from akrasia.report.gather import gather
from akrasia.report.svg import inline
from akrasia.report.value_content import ArmContent, ValueContent
from akrasia.report.value_flow import Flow, apart, bands, flow_of
from akrasia.report.value_lines import compared, slopes, thresholds
from akrasia.report.value_page import value_context, value_figures

MAGIC = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.fixture(scope="module")
def group(half_hearted: Path) -> ValueContent:  # noqa: F811
    return gather([half_hearted], item_bytes=0).values[0]


@pytest.fixture(scope="module")
def pressed(deserter: Path) -> ValueContent:  # noqa: F811
    return gather([deserter], item_bytes=0).values[0]


def texts(drawn: bytes) -> Iterator[str]:
    for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text"):
        yield "".join(element.itertext())


def svg(groups: list[ValueContent], name: str, width: str = "wide") -> bytes:
    (figure,) = (figure for figure in value_figures(groups) if figure.name == name)
    return figure.draw(width, "svg")  # type: ignore[arg-type]


def test_figures_that_apply_stand_in_order(group: ValueContent, pressed: ValueContent) -> None:
    one = [figure.name for figure in value_figures([group])]
    assert one == [
        "value-waterfall", "value-transitions", "value-bars", "value-slopes", "value-domains", "value-thresholds",
    ]  # fmt: skip
    both = [figure.name for figure in value_figures([group, pressed])]
    assert both[1] == "value-comparison"
    assert "value-pressures" in both


@pytest.mark.parametrize("form", FORMATS)
def test_a_figure_is_a_file_and_the_same_every_time(pressed: ValueContent, form: str) -> None:
    for figure in value_figures([pressed])[:2]:
        drawn = figure.draw("narrow", form)  # type: ignore[arg-type]
        assert drawn.startswith(MAGIC[form])
        assert figure.draw("narrow", form) == drawn  # type: ignore[arg-type]


def test_every_figure_says_that_its_numbers_are_uncalibrated(group: ValueContent, pressed: ValueContent) -> None:
    for figure in value_figures([group, pressed]):
        assert any("uncalibrated" in text for text in texts(figure.draw("wide", "svg"))), figure.name
    calibrated = msgspec.structs.replace(
        group, arms=tuple(msgspec.structs.replace(arm, uncalibrated=False) for arm in group.arms)
    )
    for figure in value_figures([calibrated]):
        assert not any("uncalibrated" in text for text in texts(figure.draw("wide", "svg"))), figure.name


def test_the_waterfall_names_its_stages_chance_and_what_is_not_cross_fitted(group: ValueContent) -> None:
    said = " ".join(texts(svg([group], "value-waterfall")))
    split = group.arms[0].split
    assert split is not None
    assert split.by_chance is not None
    for words in ("Deployed", "Recoverable", "not cross-fitted", "Reachable@3", "Perfect", "by chance"):
        assert words in said
    assert f"{100 * split.by_chance.value:.1f} by chance" in said
    narrow = " ".join(texts(svg([group], "value-waterfall", "narrow")))
    assert "not cross-fitted" in narrow
    assert "by chance" in narrow


def test_two_judges_are_cross_fitted_and_say_so(group: ValueContent) -> None:
    arm = group.arms[0]
    assert arm.split is not None
    crossed = msgspec.structs.replace(arm, split=msgspec.structs.replace(arm.split, cross_fitted=True))
    one = msgspec.structs.replace(group, arms=(crossed,))
    assert "cross-fitted over two judges" in " ".join(texts(svg([one], "value-waterfall", "narrow")))
    assert "not cross-fitted" not in " ".join(texts(svg([one], "value-waterfall")))


def test_a_choice_that_does_harm_is_named(group: ValueContent) -> None:
    arm = group.arms[0]
    assert arm.split is not None
    stages = list(arm.split.waterfall)
    stages[1] = msgspec.structs.replace(stages[1], at=Interval(arm.split.deployed.value - 0.1))
    harmed = msgspec.structs.replace(arm, split=msgspec.structs.replace(arm.split, waterfall=tuple(stages)))
    said = " ".join(texts(svg([msgspec.structs.replace(group, arms=(harmed,))], "value-waterfall")))
    assert "the judges’ choice harms" in said
    assert "step \N{MINUS SIGN}10.0" in said


def test_ribbons_fill_each_column_once() -> None:
    flow = Flow({"111": 5, "110": 3, "100": 1, "001": 1}, (0, 1, 2))
    for column in flow.columns:
        found = bands(flow, column)
        assert found.keys() == flow.counts.keys()
        heights = {path: high - low for path, (low, high) in found.items()}
        assert sum(heights.values()) == pytest.approx(0.9)  # all but the gap
        assert heights["111"] == pytest.approx(0.45)  # 5 of 10 cells
        places = sorted(found.values(), reverse=True)
        assert all(upper[0] >= lower[1] - 1e-9 for upper, lower in pairwise(places))
        inside = [found[path][0] for path in found if path[column] == "1"]
        outside = [found[path][1] for path in found if path[column] == "0"]
        assert not outside or min(inside) >= max(outside) + 0.1 - 1e-9


def test_the_transition_picture_says_what_is_kept_and_lost(group: ValueContent) -> None:
    fast, slow = group.arms
    assert flow_of(fast).columns == (0, 2)
    assert flow_of(slow).columns == (0, 1, 2)
    said = list(texts(svg([group], "value-transitions")))
    for arm in (fast, slow):
        kept = flow_of(arm).sum(stated="1", action="1")
        assert f"kept {100 * kept / 360:.1f} %" in said  # 40 scenarios × 3 draws × 3 stated values
        assert f"{kept:,} cells" in said
    assert "in the reasoning" in said


def test_an_arm_in_which_nothing_shows_has_no_empty_axes(group: ValueContent) -> None:
    empty = {"111": 0, "110": 0, "000": 100}
    nothing = msgspec.structs.replace(group.arms[1], transitions=empty, values=(), by_domain=None, split=None)
    hollow = msgspec.structs.replace(group, arms=(nothing,), deliberation=None)
    assert [figure.name for figure in value_figures([hollow])] == [
        "value-transitions",
        "value-thresholds",
    ]
    for figure in value_figures([hollow]):
        ElementTree.fromstring(figure.draw("wide", "svg"))
    assert "no value is stated, reasoned with or acted on" in list(texts(svg([hollow], "value-transitions")))


def test_labels_are_moved_apart_and_no_further() -> None:
    assert apart([0.5, 0.1, 0.52], 0.1) == pytest.approx([0.5, 0.1, 0.6])


def test_a_field_without_a_stated_value_is_hatched_and_has_no_number(pressed: ValueContent) -> None:
    (arm, _) = pressed.arms
    found = arm.by_pressure
    assert found is not None
    assert found.columns[0] == "none"
    assert len(found.columns) == 10
    stated = [number for row in found.stated for number in row if number]
    assert 0 < len(stated) < len(found.rows) * 10
    one = msgspec.structs.replace(pressed, arms=(arm,))
    numbers = [text for text in texts(svg([one], "value-pressures")) if re.fullmatch(r"\d+ \(\d+\)", text)]
    assert sorted(numbers) == sorted(f"0 ({number})" for number in stated)  # all is betrayed


def test_slopes_carry_the_deliberation_effect(group: ValueContent) -> None:
    found = slopes([group])
    assert found is not None
    assert [panel.label for panel in found.panels] == ["macro-F1", "retention"]
    assert group.deliberation is not None
    (line,) = found.panels[0].lines
    assert f"{100 * abs(group.deliberation.value):.1f}" in line.label
    assert "[" in line.label
    fast = group.arm("fast")
    assert fast is not None
    assert fast.metrics["macro_f1"] is not None
    assert line.points[0].value == fast.metrics["macro_f1"].value
    assert slopes([msgspec.structs.replace(group, arms=(fast,))]) is None


def test_thresholds_have_a_line_for_every_figure_that_is_defined(group: ValueContent, pressed: ValueContent) -> None:
    found = thresholds(group.arms)
    assert found is not None
    assert [line.label for line in found.panels[0].lines] == ["macro-F1", "retention", "emergence"]
    assert [tick for tick, _ in found.ticks] == [0.3, 0.4, 0.5, 0.6, 0.7]
    never = thresholds(pressed.arms)
    assert never is not None
    assert [line.label for line in never.panels[0].lines] == ["macro-F1", "retention"]


def test_a_comparison_has_every_arm_in_every_panel(group: ValueContent, pressed: ValueContent) -> None:
    arms = [*group.arms, *pressed.arms]
    panels = compared(arms)
    assert [panel.label for panel in panels][:2] == ["macro-F1", "retention"]
    for panel in panels:
        assert [label for label, _ in panel.rows] == [arm.label for arm in arms]


def test_a_negative_figure_is_drawn_on_a_scale_that_holds_it(group: ValueContent, pressed: ValueContent) -> None:
    def sunk(arm: ArmContent) -> ArmContent:
        return msgspec.structs.replace(arm, metrics=arm.metrics | {"kappa": Interval(-0.1, -0.35, 0.1)})

    groups = [msgspec.structs.replace(one, arms=tuple(sunk(arm) for arm in one.arms)) for one in (group, pressed)]
    assert "\N{MINUS SIGN}40" in list(texts(svg(groups, "value-comparison")))


def test_inline_figures_have_the_pages_colours_and_few_digits(pressed: ValueContent) -> None:
    for figure in value_figures([pressed]):
        made = inline(figure.draw("wide", "svg"), prefix=figure.name, label=figure.alt)
        assert "style=" not in made
        assert not re.search(r"#[0-9a-f]{6}", made), figure.name
        assert not re.search(r' (d|x|y)="[^"]*\.\d{3,}', made), figure.name


def test_many_arms_leave_out_figures_before_the_page_bursts(
    group: ValueContent, pressed: ValueContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("akrasia.report.value_page.FIGURE_BYTES", 60_000)
    context = value_context([group, pressed])
    panels = [figure for figure in context["value_figures"] if figure.name == "value-bars"]
    assert "The first 1 of 4 are drawn; the tables have them all." in panels[0].caption
    assert len(context["value_metrics"]) == 2  # four arms, three to a table
    assert len(context["value_parts"]) == 1
    assert context["value_parts_left"] == 3
