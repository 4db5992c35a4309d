from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core.errors import InputError
from akrasia.gap import measure
from akrasia.gap.correct import correct
from akrasia.gap.records import Stages
from akrasia.gap.sensitivity import sensitivity_band

NAMES = ("macro_f1", "retention", "survival", "suppression", "emergence")
VALUES = 10


def true_labels(rng: np.random.Generator, families: int, per: int = 4):
    """Families with a will of their own; values from rare to common; reasoning that helps the action."""
    base = rng.random((families, 1, VALUES)) < np.linspace(0.08, 0.5, VALUES)
    shape = (families, per, VALUES)
    stated = np.where(rng.random(shape) < 0.15, rng.random(shape) < 0.3, base).reshape(-1, VALUES)
    will = np.repeat(rng.beta(3, 2, families), per)[:, None]
    reasoning = np.where(stated, rng.random(stated.shape) < 0.8, rng.random(stated.shape) < 0.1)
    keeps = rng.random(stated.shape) < np.where(reasoning, will, will / 2)
    action = np.where(stated, keeps, rng.random(stated.shape) < 0.1)
    labels = [stage.astype(float) for stage in (stated, reasoning, action)]
    return labels, np.repeat(np.arange(families), per)


def judged(rng: np.random.Generator, labels: list[np.ndarray], false_present: float, false_absent: float):
    return [
        np.where(stage == 1, rng.random(stage.shape) >= false_absent, rng.random(stage.shape) < false_present) * 1.0
        for stage in labels
    ]


def drawn(labels: list[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    gold = [np.full(stage.shape, np.nan) for stage in labels]
    for wide, stage in zip(gold, labels, strict=True):
        wide[rows] = stage[rows]
    return gold


def figures(stated, reasoning, action) -> dict[str, float]:
    return {
        "macro_f1": (2 * (stated * action).sum(0) / (stated.sum(0) + action.sum(0))).mean(),
        "retention": (stated * action).sum() / stated.sum(),
        "survival": (stated * reasoning * action).sum() / stated.sum(),
        "suppression": 1 - (stated * reasoning * action).sum() / (stated * reasoning).sum(),
        "emergence": 1 - (stated * action).sum() / action.sum(),
    }


def test_by_hand():
    # One value, six scenarios. Judged: a everywhere, d in scenarios 0–3: retention 4/6. Gold on 0, 1, 4: a true in all,
    # d true in 0 alone. a·d: cheap 1, 1, 0, truth 1, 0, 0: λ = cov / var = (1/3 − 2/9) / (2/9) = ½; the rectified mean
    # is ½ · 4/6 + mean(1 − ½, 0 − ½, 0) = 1/3. a is constant and right: 1. So retention is 1/3.
    stated, action = np.ones((6, 1)), np.array([[1.0], [1], [1], [1], [0], [0]])
    gold = np.full((6, 1), np.nan)
    gold_stated, gold_action = gold.copy(), gold.copy()
    gold_stated[[0, 1, 4]], gold_action[[0, 1, 4], 0] = 1, [1, 0, 0]
    found = correct(Stages(stated, None, action), Stages(gold_stated, None, gold_action), supported=[0])
    assert found.retention.value == pytest.approx(1 / 3)
    # Fast: survival is retention, suppression its complement. d is rectified just as a·d: nothing emerges.
    assert found.survival == found.retention
    assert found.suppression.value == pytest.approx(2 / 3)
    assert found.emergence.value == pytest.approx(0)
    # F1 from the rectified counts: 2 · 1/3 / (1 + 1/3) = ½.
    assert found.macro_f1.value == pytest.approx(1 / 2)
    assert found.scenarios == 3
    assert [note.code for note in found.diagnostics] == ["gold_few"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_gold_everywhere_is_the_truth(seed: int):
    rng = np.random.default_rng(seed)
    labels, families = true_labels(rng, 30)
    said = judged(rng, labels, 0.1, 0.3)
    found = correct(Stages(*said), Stages(*labels), clusters=families, supported=range(VALUES), resamples=100)
    for name, value in figures(*labels).items():
        assert getattr(found, name).value == pytest.approx(value)


def test_a_judge_who_never_errs_is_kept_but_not_for_certain():
    rng = np.random.default_rng(0)
    labels, families = true_labels(rng, 60)
    gold = drawn(labels, rng.choice(240, 60, replace=False))
    found = correct(Stages(*labels), Stages(*gold), clusters=families)
    raw = measure(*labels, clusters=families)
    for name in NAMES:
        assert getattr(found, name).value == pytest.approx(getattr(raw, name).value)
    assert found.retention.half_width > raw.retention.half_width


@pytest.mark.parametrize(("acts", "value"), [(0.0, 0.0), (1.0, 1.0)], ids=["hypocrite", "saint"])
def test_ends_of_the_range_have_an_interval(acts: float, value: float):
    rng = np.random.default_rng(1)
    labels, families = true_labels(rng, 40)
    stated = labels[0]
    gold = drawn([stated, acts * stated], np.arange(0, 160, 3))
    found = correct(Stages(stated, None, acts * stated), Stages(gold[0], None, gold[1]), clusters=families)
    assert found.retention.value == value
    assert 0.02 < found.retention.half_width < 0.2
    # Who never acts on a value never acts on an unstated one either: emergence has no value.
    assert (found.emergence is None) == (acts == 0)


def test_bias_goes():
    rng = np.random.default_rng(2)
    truth = figures(*true_labels(rng, 5000)[0])
    rows: dict[str, list[float]] = {name: [] for name in NAMES}
    raw: dict[str, list[float]] = {name: [] for name in NAMES}
    hits = []
    for _ in range(60):
        labels, families = true_labels(rng, 100)
        said = judged(rng, labels, 0.08, 0.15)
        gold = drawn(labels, rng.choice(400, 150, replace=False))
        found = correct(Stages(*said), Stages(*gold), clusters=families, resamples=200)
        for name, value in figures(*said).items():
            rows[name].append(getattr(found, name).value)
            raw[name].append(value)
            hits.append(getattr(found, name).low <= truth[name] <= getattr(found, name).high)
    for name in NAMES:
        assert abs(np.mean(raw[name]) - truth[name]) > 0.06
        assert abs(np.mean(rows[name]) - truth[name]) < 0.015
    assert np.mean(hits) > 0.9


def test_unequal_chances_of_being_drawn_are_undone():
    rng = np.random.default_rng(3)
    labels, families = true_labels(rng, 1000)
    said = judged(rng, labels, 0.05, 0.2)
    # Scenarios where the rarest value is seen are drawn six times as often.
    chance = np.where(said[0][:, 0] + said[2][:, 0] > 0, 0.6, 0.1)
    gold = Stages(*drawn(labels, np.flatnonzero(rng.random(len(chance)) < chance)))
    weighted = Stages(gold.stated, gold.reasoning, gold.action, inclusion=chance)
    truth = figures(*labels)
    found = correct(Stages(*said), weighted, clusters=families)
    for name in NAMES:
        assert getattr(found, name).low <= truth[name] <= getattr(found, name).high
    assert found.retention.value != correct(Stages(*said), gold, clusters=families).retention.value
    with pytest.raises(InputError):
        correct(Stages(*said), Stages(gold.stated, None, gold.action, inclusion=1 + chance), clusters=families)


def test_what_gold_does_not_identify_has_no_value():
    rng = np.random.default_rng(4)
    labels, families = true_labels(rng, 30)
    gold = drawn(labels, np.arange(40))
    nothing = np.full_like(gold[0], np.nan)
    # Actions alone: nothing that joins two stages.
    found = correct(Stages(*labels), Stages(nothing, None, gold[2]), clusters=families)
    assert all(getattr(found, name) is None for name in NAMES)
    assert {note.code for note in found.diagnostics} == {"gold_uncorrected"}
    # No reasoning: what needs it stays uncorrected.
    found = correct(Stages(*labels), Stages(gold[0], None, gold[2]), clusters=families)
    assert found.survival is None
    assert found.suppression is None
    assert found.retention is not None
    # One family.
    assert correct(Stages(*labels), Stages(*gold), clusters=np.zeros(120)).retention is None
    with pytest.raises(InputError):
        correct(Stages(*labels), Stages(gold[0][:5], None, gold[2][:5]))


def keeping(rng: np.random.Generator, families: int, keeps: float, emerges: float):
    """Three scenarios a family; a stated value is reasoned with, and acted on, with one probability wherever it is."""
    stated = true_labels(rng, families, 3)[0][0]
    others = [np.where(stated == 1, rng.random(stated.shape) < keeps, rng.random(stated.shape) < emerges) * 1.0
              for _ in range(2)]  # fmt: skip
    return [stated, *others], np.repeat(np.arange(families), 3)


def boundary_hits(worlds: int, keeps: float, emerges: float, errors: tuple[float, float]) -> dict[str, list[bool]]:
    """Whether the interval holds the truth, by world that has one: 60 gold of 120 scenarios in 40 families."""
    rng = np.random.default_rng(9)
    truth = figures(*keeping(rng, 20_000, keeps, emerges)[0])
    hits: dict[str, list[bool]] = {name: [] for name in NAMES}
    for _ in range(worlds):
        labels, clusters = keeping(rng, 40, keeps, emerges)
        said = judged(rng, labels, *errors)
        gold = drawn(labels, rng.choice(120, 60, replace=False))
        found = correct(Stages(*said), Stages(*gold), clusters=clusters, resamples=200, supported=range(VALUES))
        for name in NAMES:
            figure = getattr(found, name)
            # Who hardly ever acts may give suppression and emergence no value. Rounding may put an end a hair beside 1.
            if figure is not None:
                hits[name].append(figure.low - 1e-9 <= truth[name] <= figure.high + 1e-9)
    return hits


@pytest.mark.parametrize(("keeps", "emerges"), [(1.0, 0.0), (0.97, 0.005)])
def test_a_true_end_of_the_range_is_covered(keeps: float, emerges: float):
    # Of 80 worlds at coverage .95 fewer than 70 have probability 0.002; Wilson's interval alone holds 40 at the end.
    for inside in boundary_hits(80, keeps, emerges, (0.05, 0.2)).values():
        assert sum(inside) >= 70


def test_macro_f1_of_a_saint_is_not_pulled_down_by_the_errors_of_the_judge():
    rng = np.random.default_rng(10)
    found = []
    for _ in range(30):
        labels, clusters = keeping(rng, 40, 1.0, 0.0)
        gold = drawn(labels, rng.choice(120, 60, replace=False))
        said = judged(rng, labels, 0.05, 0.2)
        one = correct(Stages(*said), Stages(*gold), clusters=clusters, resamples=100, supported=range(VALUES))
        found.append(one.macro_f1.value)
    assert np.mean(found) > 0.97
    assert max(found) <= 1


def refusals(found) -> list[str]:
    return [note.message for note in found.diagnostics if note.code == "gold_refused"]


def corrected(said, gold, families):
    return correct(Stages(*said), Stages(*gold), clusters=families, resamples=100)


def hidden(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where(rows, np.nan, labels)


def test_what_the_judge_could_mostly_not_read_is_not_corrected():
    rng = np.random.default_rng(11)
    labels, families = true_labels(rng, 40)
    said, gold = judged(rng, labels, 0.05, 0.2), drawn(labels, np.arange(0, 160, 2))
    # Read are the actions that keep a value, and nothing else: retention would be "corrected" to 1.
    kept = [said[0], said[1], hidden(said[2], labels[2] == 0)]
    found = corrected(kept, gold, families)
    assert all(getattr(found, name) is None for name in NAMES)
    assert all("of the cells of the action (more than 10%)" in message for message in refusals(found))
    assert len(refusals(found)) == 2
    # The reasoning alone: what does not need it stands.
    found = corrected([said[0], hidden(said[1], rng.random(said[1].shape) < 0.2), said[2]], gold, families)
    assert found.retention is not None
    assert found.survival is None
    assert "of the cells of the reasoning" in refusals(found)[0]


def test_gold_that_leaves_values_open_corrects_nothing():
    rng = np.random.default_rng(12)
    labels, families = true_labels(rng, 40)
    said, gold = judged(rng, labels, 0.05, 0.2), drawn(labels, np.arange(0, 160, 2))
    # Only what is present was written down.
    found = corrected(said, [hidden(stage, stage == 0) for stage in gold], families)
    assert all(getattr(found, name) is None for name in NAMES)
    assert "label every value of a text, 0 where it is not there" in refusals(found)[0]
    # One value of ten has no gold at all.
    found = corrected(said, [hidden(stage, np.arange(VALUES) == 3) for stage in gold], families)
    assert found.retention is None
    assert "1 of 10 values have no gold" in found.diagnostics[0].message


def test_few_that_are_missing_by_their_label_are_noticed():
    rng = np.random.default_rng(13)
    labels, families = true_labels(rng, 60)
    said, gold = judged(rng, labels, 0.05, 0.2), drawn(labels, np.arange(0, 240, 2))
    # A fifth of the actions that uphold a value, 5 % of all cells, could not be read.
    unread = (labels[2] == 1) & (rng.random(labels[2].shape) < 0.2)
    assert 0.02 < unread.mean() < 0.1
    found = corrected([said[0], said[1], hidden(said[2], unread)], gold, families)
    assert found.retention is None
    assert "could not read differ from the others by their gold" in refusals(found)[0]
    # The same by people, where the judge saw the value.
    unlabelled = (said[2] == 1) & (rng.random(labels[2].shape) < 0.25)
    found = corrected(said, [gold[0], gold[1], hidden(gold[2], unlabelled)], families)
    assert found.retention is None
    assert "people left open" in refusals(found)[0]


def test_what_is_missing_at_random_is_corrected():
    rng = np.random.default_rng(14)
    refused = 0
    for _ in range(30):
        labels, families = true_labels(rng, 40)
        said, gold = judged(rng, labels, 0.05, 0.2), drawn(labels, np.arange(0, 160, 2))
        texts = [hidden(stage, rng.random((160, 1)) < 0.03) for stage in said]
        cells = [hidden(stage, rng.random(stage.shape) < 0.03) for stage in texts]
        found = corrected(cells, [hidden(stage, rng.random(stage.shape) < 0.05) for stage in gold], families)
        refused += len(refusals(found))
    # 60 groups of figures: about ten tests each, at one in a thousand.
    assert refused <= 2


def test_a_scenario_that_was_not_asked_is_not_missing():
    rng = np.random.default_rng(15)
    labels, families = true_labels(rng, 40)
    said, gold = judged(rng, labels, 0.05, 0.2), drawn(labels, np.arange(0, 160, 4))
    asked = np.arange(160) % 2 == 0
    found = correct(Stages(*said, asked=asked), Stages(*gold), clusters=families, resamples=100)
    assert found.retention is not None
    alone = correct(Stages(*[s[asked] for s in said]), Stages(*[g[asked] for g in gold]), clusters=families[asked],
                    resamples=100)  # fmt: skip
    assert found.retention.value == pytest.approx(alone.retention.value)


def test_same_seed_same_interval():
    rng = np.random.default_rng(5)
    labels, families = true_labels(rng, 30)
    said, gold = judged(rng, labels, 0.1, 0.1), drawn(labels, np.arange(60))
    one = correct(Stages(*said), Stages(*gold), clusters=families)
    assert one == correct(Stages(*said), Stages(*gold), clusters=families)
    assert one != correct(Stages(*said), Stages(*gold), clusters=families, seed=1)


def test_the_band_by_hand():
    # Judged: a = 1 everywhere (4), d = 1, 1, 0, 0. With q = 0 and p = ¼: (1 − ¼) / ¾ = 1 and (0 − ¼) / ¾ = −1/3.
    # Retention: (1 + 1 − 1/3 − 1/3) / 4 = 1/3; with p = 0: ½.
    judged_stages = Stages(np.ones((4, 1)), None, np.array([[1.0], [1], [0], [0]]))
    found = sensitivity_band(judged_stages, false_present=(0, 0.25), false_absent=(0, 0), supported=[0], steps=2)
    assert (found.retention.naive, found.retention.low, found.retention.high) == pytest.approx((1 / 2, 1 / 3, 1 / 2))
    assert found.suppression.high == pytest.approx(2 / 3)
    assert "not an interval" in found.kind


def test_the_band_holds_the_truth_where_its_ranges_hold_the_rates():
    rng = np.random.default_rng(6)
    labels, _ = true_labels(rng, 3000)
    said = judged(rng, labels, 0.06, 0.2)
    exact = sensitivity_band(Stages(*said), false_present=(0.06, 0.06), false_absent=(0.2, 0.2), steps=1)
    wide = sensitivity_band(Stages(*said), false_present=(0.0, 0.1), false_absent=(0.1, 0.3))
    for name, value in figures(*labels).items():
        assert getattr(exact, name).low == pytest.approx(value, abs=0.02)
        assert getattr(exact, name).naive == pytest.approx(figures(*said)[name])
        assert getattr(wide, name).low < value < getattr(wide, name).high


def test_rates_that_the_labels_exclude_are_left_out():
    rng = np.random.default_rng(7)
    stated = (rng.random((300, 4)) < 0.1).astype(float)
    found = sensitivity_band(Stages(stated, None, stated), false_present=(0.0, 0.2), steps=5)
    assert found.impossible == pytest.approx(2 / 5)
    none = sensitivity_band(Stages(stated, None, stated), false_present=(0.2, 0.3))
    assert none.impossible == 1
    assert none.retention is None
    for wrong in ({"false_present": (0.2, 0.1)}, {"false_absent": (0.0, 1.0)}, {"false_absent": (0.5, 0.96)}):
        with pytest.raises(InputError):
            sensitivity_band(Stages(stated, None, stated), **wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("families", "gold", "false_present", "false_absent"),
    [(50, 60, 0.05, 0.2), (100, 150, 0.08, 0.15), (250, 150, 0.01, 0.02), (250, 300, 0.1, 0.3)],
)
def test_coverage(families: int, gold: int, false_present: float, false_absent: float):
    rng = np.random.default_rng(8)
    truth = figures(*true_labels(rng, 50_000)[0])
    hits: dict[str, list[bool]] = {name: [] for name in NAMES}
    for _ in range(500):
        labels, clusters = true_labels(rng, families)
        said = judged(rng, labels, false_present, false_absent)
        rows = rng.choice(len(clusters), gold, replace=False)
        found = correct(Stages(*said), Stages(*drawn(labels, rows)), clusters=clusters, resamples=300)
        for name in NAMES:
            figure = getattr(found, name)
            hits[name].append(figure.low <= truth[name] <= figure.high)
    for name, inside in hits.items():
        print(f"{name}, {families} families, {gold} with gold, errors {false_present}, {false_absent}: "
              f"{np.mean(inside):.3f}")  # fmt: skip
        assert np.mean(inside) >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize(("keeps", "emerges"), [(1.0, 0.0), (0.97, 0.005), (0.9, 0.02), (0.03, 0.01)])
@pytest.mark.parametrize("errors", [(0.05, 0.2), (0.02, 0.05)])
def test_coverage_near_the_ends(keeps: float, emerges: float, errors: tuple[float, float]):
    for name, inside in boundary_hits(1000, keeps, emerges, errors).items():
        print(f"{name}, keeps {keeps}, emerges {emerges}, errors {errors}: {np.mean(inside):.3f} of {len(inside)}")
        assert len(inside) >= 900
        assert np.mean(inside) >= 0.93
