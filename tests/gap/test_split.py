from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError, Undefined
from akrasia.gap.donors import Pool, donor_gain
from akrasia.gap.drawn import Drawn
from akrasia.gap.overlap import scenario_f1
from akrasia.gap.split import split
from akrasia.risk import estimate

VALUES = 19


def world(seed: int, scenarios: int = 200, share: float = 0.15):
    """Stated sets of about three of the 19 values, families of two, five domains."""
    rng = np.random.default_rng(seed)
    stated = (rng.random((scenarios, VALUES)) < share).astype(float)
    families = np.repeat(np.arange(scenarios // 2), 2)
    return rng, stated, families, [f"domain-{family % 5}" for family in families]


def acting(rng: np.random.Generator, how: str, stated: np.ndarray, k: int) -> np.ndarray:
    shape = (len(stated), k, stated.shape[1])
    acts = {
        "hypocrite": np.zeros(shape),
        "saint": np.broadcast_to(stated[:, None], shape),
        "parrot": np.broadcast_to((np.arange(stated.shape[1]) < 6).astype(float), shape),
        "coin": (rng.random(shape) < 0.5).astype(float),
        "half-hearted": stated[:, None] * (rng.random(shape) < 0.5),
    }
    return acts[how]


def split_of(how: str, seed: int = 0, k: int = 4, **options):
    rng, stated, families, domains = world(seed)
    return split(Drawn(stated, acting(rng, how, stated, k)), clusters=families, domains=domains, **options)


def test_f1_by_hand():
    # A = {0, 1}. D = {0}: 2 · 1 / (2 + 1); D = {0, 1, 2}: 2 · 2 / (2 + 3); D empty: 0; value 1 unknown: {0} and {0}.
    nan = np.nan
    found = scenario_f1([1, 1, 0], [[1, 0, 0], [1, 1, 1], [0, 0, 0], [1, nan, 0], [nan, nan, nan], [nan, nan, 1]])
    assert found == pytest.approx([2 / 3, 4 / 5, 0, 1, nan, nan], nan_ok=True)
    assert np.isnan(scenario_f1([0, 0, nan], [[1, 0, 1]])).all()


def test_f1_has_one_threshold():
    assert scenario_f1([0.5, 0.4], [[0.9, 0.1]]).tolist() == [1.0]
    assert scenario_f1([0.5, 0.4], [[0.9, 0.1]], threshold=0.3).tolist() == [pytest.approx(2 / 3)]


def test_by_hand():
    # Two families with A = {0} and A = {1}; each has the actions {0}, {1}: utilities (1, 0), so deployed ½, reachable
    # 1, not taken ½; the other family's actions gain ½ as well: nothing is left.
    stated = np.array([[1.0, 0], [0, 1]])
    actions = np.array([[[1.0, 0], [0, 1]]] * 2)
    found = split(Drawn(stated, actions))
    assert (found.deployed.value, found.reachable.value, found.loss.value) == (0.5, 1.0, 0.5)
    assert (found.not_taken.value, found.by_chance.value, found.corrected.value) == (0.5, 0.5, 0.0)
    assert found.headline("M") == (
        "Of the 50.0 points that M loses against its own stated values, 50.0 are reachable and not taken "
        "(50.0 would be by chance). None of them is beyond chance."
    )
    # The second family never acts on a value of the first: what the first gains is its own, what the second, too.
    actions = np.array([[[1.0, 0], [0, 0]], [[0, 1.0], [0, 0]]])
    found = split(Drawn(stated, actions))
    assert (found.not_taken.value, found.by_chance.value, found.corrected.value) == (0.5, 0.0, 0.5)
    assert found.unreachable.value == 0
    assert found.headline("M") == (
        "Of the 50.0 points that M loses against its own stated values, 50.0 are reachable and not taken "
        "(0.0 would be by chance)."
    )


def test_the_waterfall_ends_at_one_and_extrapolates_nothing():
    found = split_of("half-hearted")
    assert [stage.stage for stage in found.waterfall] == ["deployed", "recoverable", "reachable", "perfect"]
    assert "not cross-fitted" in found.waterfall[1].note
    assert "not_cross_fitted" in [note.code for note in found.diagnostics]
    parts = found.corrected.value + found.by_chance.value + found.unreachable.value
    assert parts == pytest.approx(found.loss.value)


def test_a_saint_loses_nothing():
    found = split_of("saint")
    assert found.loss.value == found.not_taken.value == found.by_chance.value == 0
    assert found.corrected.value == pytest.approx(0)
    assert found.loss.high > 0


@pytest.mark.parametrize("how", ["hypocrite", "parrot"])
def test_who_never_varies_has_nothing_within_reach(how: str):
    found = split_of(how)
    assert found.corrected.value == pytest.approx(0, abs=1e-12)
    assert found.unreachable.value == pytest.approx(found.loss.value)
    assert found.loss.value == 1 if how == "hypocrite" else 0.6 < found.loss.value < 0.9


@pytest.mark.parametrize("k", [2, 8])
def test_a_coin_is_credited_with_nothing(k: int):
    found = split_of("coin", k=k)
    assert found.not_taken.low > 0.05
    assert found.corrected.low < 0 < found.corrected.high
    assert found.corrected.high < 0.03


def test_half_of_a_half_hearted_loss_could_have_been_avoided():
    found = split_of("half-hearted")
    assert found.corrected.low > 0
    assert 0.4 < found.corrected.value / found.loss.value < 0.6


def test_a_mute_states_nothing_to_fall_short_of():
    with pytest.raises(Undefined, match="no scenario has a stated value"):
        split(Drawn(np.zeros((10, 3)), np.ones((10, 2, 3))))


def test_who_drew_two_is_not_told_to_draw_two():
    actions = np.full((10, 2, 3), np.nan)
    actions[:, 0] = 1
    with pytest.raises(Undefined, match="2 actions that could be judged, of 2 drawn: see what is missing"):
        split(Drawn(np.ones((10, 3)), actions))


def test_what_is_missing_is_counted():
    rng, stated, families, domains = world(1)
    actions = acting(rng, "coin", stated, 4)
    whole = split(Drawn(stated, actions), clusters=families, domains=domains)
    stated[0], stated[1], stated[5:7] = np.nan, 0, 1
    actions[5, :3] = np.nan
    actions[6, 0, 4] = np.nan
    domains = ["alone" if family == 9 else name for family, name in zip(families, domains, strict=True)]
    found = split(Drawn(stated, actions), clusters=families, domains=domains, k=4)
    assert (found.stated_missing, found.short, found.without_donors) == (1, 1, 2)
    assert found.stated_empty == whole.stated_empty + 1
    assert found.scenarios == 200 - found.stated_empty - 4
    # Without k, the choice shrinks to what scenario 6 has left: all four, one of them with one value less.
    assert split(Drawn(stated, actions), clusters=families, domains=domains).k == 4


def test_no_other_family_tells_nothing_about_chance():
    found = split(Drawn(np.ones((4, 2)), np.tile([[[1.0, 1], [0, 0]]], (4, 1, 1))), clusters=["f"] * 4)
    assert found.by_chance is None
    assert found.corrected is None
    assert found.not_taken.value == 0.5
    assert "unknown" in found.headline("M")
    assert "no_donors" in [note.code for note in found.diagnostics]


def test_two_judges_take_each_other_s_measure():
    # Both judges err at random in a tenth of the labels of actions that are all alike: nothing is recoverable.
    rng, stated, families, domains = world(2)
    truth = np.repeat(acting(rng, "half-hearted", stated, 1), 8, axis=1)
    one, two = (np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth) for _ in range(2))
    found = split(Drawn(stated, one), second=Drawn(stated, two), clusters=families, domains=domains)
    assert found.cross_fitted
    assert found.waterfall[1].note in ("", "verifier harms")
    assert found.recoverable.value == pytest.approx(found.deployed.value, abs=0.02)
    assert found.reachable.value > found.deployed.value + 0.1
    with pytest.raises(InputError, match="itself"):
        split(Drawn(stated, one), second=Drawn(stated, one.copy()))


def test_what_two_judges_agree_on_is_recoverable():
    rng, stated, families, domains = world(3)
    actions = acting(rng, "half-hearted", stated, 4)
    other = actions.copy()
    other[0, 0, 0] = 1 - other[0, 0, 0]
    found = split(Drawn(stated, actions), second=Drawn(stated, other), clusters=families, domains=domains)
    assert found.recoverable.value == pytest.approx(found.reachable.value, abs=0.005)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_coin_that_deploys_one_more_draw_is_credited_with_nothing(labelled: bool):
    rng, stated, families, domains = world(4)
    actions = acting(rng, "coin", stated, 5)
    deployed = actions[:, 4] if labelled else scenario_f1(stated, actions[:, 4:])[:, 0]
    pool = actions[:, :4]
    found = split(Drawn(stated, pool, deployed), clusters=families, domains=domains, k=4 if labelled else 3)
    assert found.not_taken.low > 0.05
    assert found.corrected.low < 0 < found.corrected.high


def test_deploying_the_best_leaves_nothing():
    rng, stated, families, domains = world(5)
    actions = acting(rng, "half-hearted", stated, 4)
    deployed = np.nan_to_num(scenario_f1(stated, actions)).max(axis=1)
    found = split(Drawn(stated, actions, deployed), clusters=families, domains=domains)
    assert found.not_taken.value == pytest.approx(0)


labels = arrays(float, (5, 3, 4), elements=st.sampled_from([0.0, 1.0, 1.0, np.nan]))


@settings(max_examples=60)
@given(labels, arrays(float, (5, 4), elements=st.sampled_from([0.0, 1.0])), st.integers(2, 3))
def test_donor_gain_equals_its_definition(actions, stated, k):
    stated[:, 0] = 1
    families, domains = np.array([0, 0, 1, 1, 2]), np.zeros(5, int)
    found = donor_gain(Pool(stated, actions, None, families, domains), k, 256, np.random.default_rng(0))
    wanted = []
    for row in range(5):
        gains = []
        for donor in range(5):
            if families[donor] != families[row]:
                utilities = scenario_f1(stated[row], actions[donor])
                utilities = utilities[~np.isnan(utilities)]
                if len(utilities) >= k:
                    best = np.mean([max(subset) for subset in combinations(utilities, k)])
                    gains.append(best - utilities.mean())
        wanted.append(np.mean(gains) if gains else np.nan)
    if np.isnan(wanted).any():
        assert found is None
    else:
        assert found.own == pytest.approx(wanted, abs=1e-12)
        assert found.lent.sum() == pytest.approx(0, abs=1e-12)


def test_a_sample_of_donors_stands_for_all():
    everyone, some = split_of("half-hearted"), split_of("half-hearted", donors=8)
    assert some.by_chance.value == pytest.approx(everyone.by_chance.value, abs=0.01)
    assert some.by_chance.value != everyone.by_chance.value
    assert split_of("half-hearted", donors=8, seed=1).by_chance.value != some.by_chance.value
    assert split_of("half-hearted", donors=8) == some


def test_refusals():
    stated, actions = np.ones((4, 3)), np.ones((4, 2, 3))
    for wrong in (actions[:3], actions[:, :, :2], actions[:, 0], 2 * actions):
        with pytest.raises(InputError):
            split(Drawn(stated, wrong))
    with pytest.raises(InputError):
        split(Drawn(stated, actions), k=3)
    with pytest.raises(InputError):
        split(Drawn(stated, actions, np.full(4, 1.5)))
    with pytest.raises(InputError):
        split(Drawn(stated, actions), second=Drawn(stated, actions[:, :1]))
    with pytest.raises(Undefined, match="draw at least 2"):
        split(Drawn(stated, actions[:, :1]))


def families_world(rng: np.random.Generator, families: int, how: str) -> tuple[Drawn, np.ndarray]:
    """Families of four scenarios whose stated sets are nearly the family's."""
    base = rng.random((families, 1, VALUES)) < 0.2
    stated = np.where(rng.random((families, 4, VALUES)) < 0.1, ~base, base).reshape(-1, VALUES)
    shape = (len(stated), 4, VALUES)
    if how == "coin":
        actions = rng.random(shape) < 0.3
    else:
        keeps = np.repeat(rng.beta(1, 1, families), 4)[:, None, None]
        actions = (stated[:, None] & (rng.random(shape) < keeps)) ^ (rng.random(shape) < 0.1)
    return Drawn(stated.astype(float), actions.astype(float)), np.repeat(np.arange(families), 4)


def corrected(rng: np.random.Generator, families: int, how: str):
    drawn, clusters = families_world(rng, families, how)
    return split(drawn, clusters=clusters).corrected


def coverage(how: str, truth: float, families: int, worlds: int) -> float:
    rng = np.random.default_rng(7)
    found = [corrected(rng, families, how) for _ in range(worlds)]
    return float(np.mean([figure.low <= truth <= figure.high for figure in found]))


def test_coverage_of_the_corrected_figure():
    assert coverage("coin", 0.0, 20, 60) >= 0.87


@pytest.mark.slow
@pytest.mark.parametrize("families", [20, 50])
@pytest.mark.parametrize("how", ["coin", "half-hearted"])
def test_coverage_of_the_corrected_figure_long(how: str, families: int):
    # The mean over many worlds stands for the truth: the estimator is a mean of unbiased ones.
    rng = np.random.default_rng(8)
    truth = float(np.mean([corrected(rng, 60, how).value for _ in range(150)]))
    share = coverage(how, truth, families, 500)
    print(f"corrected split, {how}, {families} families: {share:.3f}")
    assert 0.91 <= share <= 0.99


@pytest.mark.parametrize("how", ["saint", "coin", "half-hearted"])
def test_its_utilities_have_the_intervals_that_risk_gives_them(how):
    """Eight families of five in one domain: nothing is left out, and many scenarios stand behind few families."""
    rng = np.random.default_rng(4)
    stated = (rng.random((40, VALUES)) < 0.3).astype(float)
    families = np.repeat(np.arange(8), 5)
    actions = acting(rng, how, stated, 3)
    found = split(Drawn(stated, actions), clusters=families)
    assert found.scenarios == 40
    theirs = estimate(scenario_f1(stated, actions), clusters=families)
    pairs = [(found.deployed, theirs.deployed), (found.reachable, theirs.reachable), (found.not_taken, theirs.risk)]
    for mine, other in pairs:
        assert (mine.value, mine.low, mine.high) == pytest.approx((other.value, other.low, other.high))
