"""Which items of a run gold is drawn from: those that its figures hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.cli.test_run import akrasia as command

import akrasia
from akrasia.risk import RiskRecord, draw_gold_sample
from akrasia.runs.estimates import How, estimate_run
from akrasia.runs.gold import GoldDraw, GoldRow, draw_gold, write_gold


@pytest.fixture
def thin_run(tmp_path: Path, suite_file: Callable[[int], str]) -> Path:
    """24 items of 4 draws, right at the even ones; of q3 only the first is measured."""
    model = "scripted:tests.runs.scripts:refuses_most_of_three"
    akrasia.run(tmp_path / "run", model=model, suite=suite_file(24), samples=4)
    return tmp_path / "run"


def drawn(folder: Path, labels: int) -> GoldDraw:
    with akrasia.load_run(folder) as run:
        return draw_gold(run, run.cells[0], labels, 0)


def corrected(folder: Path, rows: Sequence[GoldRow], name: str) -> RiskRecord:
    path = folder.parent / name
    write_gold([replace(row, gold=float(row.sample == 0)) for row in rows], path)
    with akrasia.load_run(folder) as run:
        (found,) = estimate_run(run, How(gold=path))
    return found.record


def test_a_thin_item_is_not_drawn_and_the_others_say_their_true_probability(thin_run: Path) -> None:
    everything = drawn(thin_run, 200)
    assert (everything.items, everything.of_items, everything.thin) == (23, 23, 1)
    assert {row.item for row in everything.rows} == {f"q{i}" for i in range(24)} - {"q3"}
    assert {row.inclusion for row in everything.rows} == {1.0}
    some = drawn(thin_run, 10)  # one label settles an item whose first draw is right
    assert (some.items, some.thin) == (10, 1)
    assert [row.inclusion for row in some.rows] == pytest.approx([10 / 23] * len(some.rows))


def test_gold_of_a_thin_item_from_before_is_read_and_corrects_nothing(thin_run: Path) -> None:
    """A file that was drawn when thin items were drawn, too: 24 items with a label, of which the figures hold 23."""
    now = drawn(thin_run, 200).rows
    with akrasia.load_run(thin_run) as run:
        pool = run.pool(run.cells[0])
        (q3,) = [row for row, item in enumerate(pool.items) if item.id == "q3"]
        asked = draw_gold_sample(pool.utilities, 200, np.random.default_rng(0))
    (of_q3,) = [request for request in asked if request.item == q3]
    lone = GoldRow("q3", of_q3.sample, None, of_q3.order, of_q3.inclusion, "", None, None)
    ones = [corrected(thin_run, now, "now.csv"), corrected(thin_run, [*now, lone], "before.csv")]
    assert ones[0].corrected == ones[1].corrected == ("deployed", "reachable", "risk")
    assert ones[0].risk == ones[1].risk
    assert ones[0].risk is not None
    # Of each item the first of four is right, and a draw of four reaches it: 1 - 1/4.
    assert ones[0].risk.value == pytest.approx(0.75)


def test_the_command_says_how_many_thin_items_could_not_be_drawn(thin_run: Path) -> None:
    said = command("gold", "sample", thin_run, "--labels", "10", "-o", thin_run / "gold.csv")
    assert said.code == 0, said.err
    assert "10 of 23 items" in said.out
    assert "1 thin item could not be drawn: akrasia risk leaves such items out" in said.out
