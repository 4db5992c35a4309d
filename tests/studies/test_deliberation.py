"""What edits of the reasoning move, on labels worked by hand and on scripted models whose answer is known."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.runs.value_scripts import VALUES
from tests.studies.value_actors import opposite, thought

from akrasia.core import InputError
from akrasia.core.cell import candidate_seed
from akrasia.report.study import write_study
from akrasia.runs.reader import Run
from akrasia.strategies.edited import Donors
from akrasia.studies.carry_out import carry_out
from akrasia.studies.definition import Study, build_study, configure, load_study
from akrasia.studies.deliberation import changed, redrawn, taken_up
from akrasia.studies.findings import Findings, Row
from akrasia.suites import load_suite

N, K = 25, 2
JUDGE = "llm:scripted:tests.runs.value_scripts:judge"
ITEMS = load_suite("valdi").items
SHARES = {"truncated-25": 0.25, "truncated-50": 0.5, "truncated-75": 0.75}
nan = float("nan")


def keys(actor: str, **more: Any) -> dict[str, Any]:
    return {
        "model": [f"scripted:tests.studies.value_actors:{actor}"], "judge": [JUDGE], "samples": K, "limit": N, **more,
    }  # fmt: skip


async def done(out: Path, actor: str, study: Study | None = None, **more: Any) -> Findings:
    asked = study or load_study("deliberation")
    return await carry_out(asked, configure(asked, keys(actor, **more)), out)


def row(found: Findings, *parts: str) -> Row:
    (one,) = [row for row in found.verdicts if all(part in f"{row.claim} {row.where}" for part in parts)]
    return one


def reasoning(position: int) -> list[str]:
    return thought(ITEMS[position].input[0].content.strip())


def shown(edit: str, position: int, sample: int) -> list[str]:
    """The values in the reasoning that the follower is shown: the truth that the study must find."""
    mine = reasoning(position)
    if edit == "swapped":
        drawn = Donors(ITEMS).draw(ITEMS[position], candidate_seed(0, position, sample))
        assert drawn is not None
        return reasoning(position + drawn[1])
    if edit in SHARES:
        # "Well." is a sentence too, and the first that is kept.
        return mine[: max(1, int(SHARES[edit] * (1 + len(mine)))) - 1]
    return {"kept": mine, "removed": [], "reversed": opposite(mine)}[edit]


def truth(edit: str) -> float:
    """The share of labels that move: values in one of the two reasonings and not in the other."""
    apart = [set(reasoning(p)) ^ set(shown(edit, p, sample)) for p in range(N) for sample in range(K)]
    return float(np.mean([len(values) / len(VALUES) for values in apart]))


async def test_an_action_that_follows_its_reasoning_moves_with_every_edit(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "follower")
    for edit in ("removed", "swapped", "reversed", *SHARES):
        moved = row(found, "moves the action", "The edit", f":{edit} ")
        assert moved.estimate == pytest.approx(truth(edit))
        assert (moved.verdict, moved.unit, moved.items) == ("supported", "share", N)
        assert f"{100 * truth(edit):.1f} % of the labels differ, 0.0 % between two draws" in moved.note
    control = row(found, "Control")
    assert (control.estimate, control.verdict) == (0, "undecided")
    for edit in ("swapped", "reversed"):
        taken = row(found, "takes up", f":{edit} ")
        # All that only the edited reasoning has is acted on, and nothing of it otherwise: no spread, one sign.
        assert (taken.estimate, taken.verdict, taken.test) == (1, "supported", "mcnemar")
    assert row(found, "fits the stated values less", ":truncated-75 ").verdict == "supported"


async def test_an_action_that_ignores_its_reasoning_does_not_move(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "stubborn", samples=4)
    assert {row.verdict for row in found.verdicts} <= {"undecided", "not supported"}
    for edit in ("removed", "swapped", "reversed"):
        moved = row(found, "moves the action", "The edit", f":{edit} ")
        # Two draws differ on half of the stated values, and so do an edited and an unedited one: no excess.
        expected = np.mean([len(reasoning(p)) for p in range(N)]) / 2 / len(VALUES)
        assert moved.low is not None
        assert moved.high is not None
        assert moved.low < 0.02
        assert abs(moved.estimate or 0.0) < 0.3 * expected


async def test_reasoning_is_bought_once_for_all_edits(tmp_path: Path) -> None:
    await done(tmp_path / "out", "follower")
    with Run(tmp_path / "out" / "run") as run:
        sql = "SELECT label, count(*) FROM calls WHERE role = 'model' GROUP BY label"
        bought = dict(run._connection.execute(sql).fetchall())
    # One statement and one reasoning a sample, and one action a sample of slow and of the seven edits.
    assert bought == {"state": N * K, "reason": N * K, "reverse": N * K, "act": 8 * N * K}


async def test_against_kept_the_redraw_of_the_reasoning_is_no_chance(tmp_path: Path) -> None:
    study = load_study("deliberation")
    claim = study.claim[0]
    strict = msgspec.structs.replace(claim, text="against kept", against="edited:kept")
    found = await done(tmp_path / "out", "wanderer", msgspec.structs.replace(study, claim=[claim, strict]))
    mild, sharp = (row(found, text, ":removed ") for text in ("The edit", "against kept"))
    # The reasoning differs from draw to draw, and the action with it; with the reasoning kept, nothing differs.
    assert mild.estimate is not None
    assert sharp.estimate is not None
    assert mild.estimate < 0 < sharp.estimate
    assert (mild.verdict, sharp.verdict) == ("not supported", "supported")


async def test_too_few_items_show_that_they_are_too_few(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "stubborn", limit=2)
    moved = row(found, "The edit", ":removed ")
    assert moved.verdict == "undecided"
    assert moved.low < -0.4 < 0.4 < moved.high
    assert "these items detect no difference, they are too few" in moved.note


async def test_without_a_second_draw_there_is_nothing_to_hold_it_against(tmp_path: Path) -> None:
    study = load_study("deliberation")
    with pytest.raises(InputError, match="held against two draws of slow, and samples is 1: give --samples 2"):
        configure(study, keys("follower", samples=1))  # before anything is bought
    config = msgspec.structs.replace(configure(study, keys("follower")), samples=1)
    found = await carry_out(study, config, tmp_path / "out")
    moved = row(found, "moves the action", "The edit", ":removed ")
    assert (moved.estimate, moved.verdict) == (None, "undecided")
    assert "at least 2 samples" in moved.note
    assert row(found, "takes up", ":swapped ").verdict == "supported"


async def test_actions_without_a_value_show_nothing(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "silent")
    assert {row.verdict for row in found.verdicts if "moves" in row.claim} == {"degenerate"}


async def test_what_the_rewriter_refuses_is_missing(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "no_rewriter")
    for parts in (("moves the action", "The edit"), ("takes up",)):
        lost = row(found, *parts, ":reversed ")
        assert (lost.estimate, lost.verdict) == (None, "undecided")
        assert "missing everywhere" in lost.note
    assert row(found, "The edit", ":removed ").verdict == "supported"


async def test_figures_and_tables(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = await done(out, "follower")
    moved, fits = found.series
    assert [name for _, name in moved.ticks] == ["removed", "swapped", "reversed", "25 %", "50 %", "75 %", "kept"]
    edited, again = moved.panels[0].lines
    assert [point.value for point in edited.points[:3]] == pytest.approx(
        [truth(e) for e in ("removed", "swapped", "reversed")]
    )
    assert [point.value for point in again.points] == [0]
    assert fits.panels[0].lines[1].points[0].value == 1  # slow acts on all that it states
    write_study(out)
    with (out / "verdict.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(line["estimate"]) for line in rows] == [row.estimate for row in found.verdicts]
    for name in ("moved", "edited-f1"):
        assert (out / "figures" / f"{name}-narrow.pdf").read_bytes().startswith(b"%PDF")
        assert ">reversed<" in (out / "figures" / f"{name}.svg").read_text()


def test_labels_that_differ_by_hand() -> None:
    # Two samples of two values: of four labels one is missing, and of the three others one differs.
    slow = np.array([[[1, 0], [1, 1]]], dtype=float)
    edited = np.array([[[0, 0], [1, nan]]])
    assert changed(slow, edited).tolist() == [pytest.approx(1 / 3)]
    # A third sample that only one cell has does not count.
    assert changed(np.concatenate([slow, slow], axis=1), edited).tolist() == [pytest.approx(1 / 3)]
    assert np.isnan(changed(slow, np.full((1, 2, 2), nan))).all()
    # Value 1: pairs (1, 1); value 2: pairs (0, 1). One of two pairs differs.
    assert redrawn(slow).tolist() == [0.5]
    assert np.isnan(redrawn(edited[:, :1])).all()


def test_values_taken_up_by_hand() -> None:
    own = np.array([[[1, 0, 0, 0]]], dtype=float)
    edited = np.array([[[1, 1, 1, 1]]], dtype=float)
    before, after = np.array([[[1, 0, 1, 0]]], dtype=float), np.array([[[0, 1, 1, nan]]])
    # Only the edited reasoning has values 2, 3 and 4, and of 4 the edited action is not known: 1 of 2, then 2 of 2.
    assert [part.tolist() for part in taken_up(before, after, edited, own)] == [[0.5], [1.0]]
    assert all(np.isnan(part).all() for part in taken_up(before, after, own, own))


@given(arrays(np.float64, (2, 4, 3), elements=st.sampled_from([0.0, 1.0, nan])), st.permutations(range(4)))
def test_a_redraw_is_the_mean_over_all_pairs_of_draws(labels: np.ndarray, order: list[int]) -> None:
    pairs = np.stack([np.abs(labels[:, a] - labels[:, b]) for a, b in combinations(range(4), 2)], axis=1)
    for found, mine in zip(redrawn(labels), pairs, strict=True):
        known = mine[~np.isnan(mine)]
        assert found == pytest.approx(known.mean()) if len(known) else np.isnan(found)
    assert redrawn(labels[:, order]) == pytest.approx(redrawn(labels), nan_ok=True)
    assert np.nan_to_num(changed(labels, labels)).max() == 0


@pytest.mark.parametrize(
    ("claim", "flags", "said"),
    [
        ({"against": None}, {}, "there it is needed"),
        ({"metric": "deployed"}, {}, "has a metric of its own"),
        ({}, {"judge": []}, "name one with --judge"),
        ({"against": "edited:kept"}, {"strategy": ["edited:kept", "edited:removed"]}, 'add "slow"'),
        ({}, {"strategy": ["slow"]}, "no strategy edited:removed"),
        ({"against": "edited:kept"}, {"strategy": ["slow", "edited:removed"]}, "no strategy 'edited:kept'"),
    ],
)
def test_claims_and_runs_that_do_not_fit(claim: dict[str, Any], flags: dict[str, Any], said: str) -> None:
    study = load_study("deliberation")
    asked = {**msgspec.to_builtins(study.claim[0]), **claim}
    with pytest.raises(InputError, match=said):
        configure(build_study({**msgspec.to_builtins(study), "claim": [asked]}, "here"), {**keys("follower"), **flags})
