from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError
from akrasia.gap.noise import noise


def test_by_hand():
    # One value, two scenarios, one family each. Scenario 0: statements 1, 1, 0; one action read 1, 1, 0.
    # P(a≠d) = 2/3 · 1/3 + 1/3 · 2/3 = 4/9. P(a≠a′) = 2 of 3 pairs; P(d≠d′) = 2 of 3 pairs. 4/9 − 2/3 = −2/9.
    # Scenario 1: statements 1, 1, 1; the action read 0, 0, 0: 1 − 0 − 0. Mean: 7/18.
    stated = np.array([[[1.0], [1], [0]], [[1], [1], [1]]])
    action = np.array([[[[1.0], [1], [0]]], [[[0], [0], [0]]]])
    found = noise(stated, action)
    assert found.disagreement.value == pytest.approx((4 / 9 + 1) / 2)
    assert found.stated_elicited.disagreement.value == pytest.approx(1 / 3)
    assert found.action_judged.disagreement.value == pytest.approx(1 / 3)
    assert found.corrected.value == pytest.approx(7 / 18)
    assert found.stated_noise == "elicited again"
    assert found.stated_judged is None
    assert found.action_drawn is None
    assert found.policy is None
    assert found.stated_elicited.f1 is None  # fewer than 10 scenarios with the value


def test_without_repeats_there_is_no_correction():
    labels = np.tile([[1.0, 0.0]], (30, 1))
    found = noise(labels, 1 - labels)
    assert found.disagreement.value == 1
    assert found.corrected is None
    assert [note.code for note in found.diagnostics] == ["no_repeats"]
    assert "elicited again and no actions judged again" in found.diagnostics[0].message
    # Actions drawn again are no repeats of the instrument.
    assert noise(np.stack([labels, labels], axis=1), np.stack([labels, labels], axis=1)).corrected is None


readings = arrays(float, (3, 2, 3, 2), elements=st.sampled_from([0.0, 1.0, np.nan]))


@settings(max_examples=80)
@given(readings, readings)
def test_equals_plain_pairs(stated, action):
    def same_text(labels, s, v):
        found = [[x != y for x, y in combinations(text[~np.isnan(text)], 2)] for text in labels[s, :, :, v]]
        means = [np.mean(text) for text in found if text]
        return np.mean(means) if means else np.nan

    def other_text(labels, s, v):
        one, two = (text[~np.isnan(text)] for text in labels[s, :, :, v])
        pairs = [x != y for x, y in product(one, two)]
        return np.mean(pairs) if pairs else np.nan

    found = noise(stated, action)
    cells = list(product(range(3), range(2)))
    for labels, retest, pairs in (
        (stated, found.stated_judged, same_text),
        (stated, found.stated_elicited, other_text),
        (action, found.action_judged, same_text),
        (action, found.action_drawn, other_text),
    ):
        wanted = np.array([pairs(labels, s, v) for s, v in cells])
        if np.isnan(wanted).all():
            assert retest is None
        else:
            assert retest.disagreement.value == pytest.approx(np.nanmean(wanted))
            assert retest.cells == (~np.isnan(wanted)).sum()


def draw(rng, p, shape):
    """(S, D, R, V) readings: the text is drawn once, each reading errs one time in ten."""
    texts = rng.random((*p.shape[:1], shape[0], 1, p.shape[1])) < p[:, None, None]
    errs = rng.random((len(p), *shape, p.shape[1])) < 0.1
    return (texts ^ errs).astype(float)


def test_a_perfect_will_behind_a_noisy_instrument_has_no_corrected_gap():
    rng = np.random.default_rng(0)
    firm = (rng.random((300, 8)) < 0.4).astype(float)
    found = noise(draw(rng, firm, (3, 1)), draw(rng, firm, (1, 2)))
    assert found.disagreement.value == pytest.approx(0.18, abs=0.02)  # 2 · .1 · .9
    assert found.corrected.low < 0 < found.corrected.high
    assert found.corrected.half_width < 0.02


def test_policy_variation_is_told_from_noise_and_not_subtracted():
    rng = np.random.default_rng(1)
    firm = (rng.random((400, 8)) < 0.4).astype(float)
    half = firm / 2  # the action drops every stated value half of the time
    found = noise(draw(rng, firm, (3, 1)), draw(rng, half, (4, 2)))
    # Judged again: 2 · .1 · .9. Drawn again, where stated: two texts with p = ½ read with errors differ half the time.
    assert found.action_judged.disagreement.value == pytest.approx(0.18, abs=0.02)
    assert found.action_drawn.disagreement.value == pytest.approx(0.4 * 0.5 + 0.6 * 0.18, abs=0.02)
    assert found.policy.value == pytest.approx(0.4 * (0.5 - 0.18), abs=0.02)
    # E(p_a − p_d)² over texts: where stated .9 against .9 or .1: ½ · .64; elsewhere 0.
    assert found.corrected.low < 0.4 * 0.5 * 0.64 < found.corrected.high


def test_the_retest_f1_is_the_f1_of_one_taking_against_another():
    rng = np.random.default_rng(2)
    labels = (rng.random((50, 1, 2, 3)) < 0.5).astype(float)
    found = noise(labels, labels)
    one, two = labels[:, 0, 0], labels[:, 0, 1]
    wanted = np.mean(2 * (one * two).sum(0) / (one.sum(0) + two.sum(0)))
    assert found.action_judged.f1.value == pytest.approx(wanted)
    assert found.stated_noise == "judged again"
    same = np.repeat(labels[:, :, :1], 3, axis=2)
    assert noise(same, same).action_judged.f1.value == 1
    assert noise(same, same).corrected.value == pytest.approx(0)


def test_refusals():
    with pytest.raises(InputError):
        noise(np.ones((3, 2)), np.ones((3, 3)))
    with pytest.raises(InputError):
        noise(np.ones((3, 2)), np.full((3, 2), 1.5))
    with pytest.raises(InputError):
        noise(np.ones(3), np.ones(3))


def coverage(worlds: int, scenarios: int) -> float:
    """Of E(p_a − p_d)² where families differ in what they do: p_a is .9 or .1, p_d one half of the time that."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(worlds):
        firm = (rng.random((scenarios, 5)) < 0.4).astype(float)
        will = np.repeat(rng.random(scenarios // 2) < 0.5, 2)[:, None]
        found = noise(
            draw(rng, firm, (2, 1)), draw(rng, firm * will, (1, 2)), clusters=np.repeat(np.arange(scenarios // 2), 2)
        ).corrected
        hits += found.low <= 0.4 * 0.5 * 0.64 <= found.high
    return hits / worlds


def test_coverage():
    assert coverage(200, 60) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("scenarios", [40, 100, 400])
def test_coverage_long(scenarios: int):
    share = coverage(2000, scenarios)
    print(f"noise-corrected disagreement, {scenarios} scenarios: {share:.3f}")
    assert 0.92 <= share <= 0.98
