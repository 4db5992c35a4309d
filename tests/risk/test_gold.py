from __future__ import annotations

import msgspec
import numpy as np
import pytest

from akrasia.core.errors import InputError
from akrasia.risk import Gold, Options, Uncorrected, draw_gold_sample, estimate, expected_labels, sensitivity_band

PLAIN = Options(extrapolate=False)


def world(rng, items=300, candidates=8, *, false_accept=0.1, false_reject=0.03):
    p = np.where(rng.random(items) < 0.3, 0, rng.beta(0.7, 1, items))
    truth = (rng.random((items, candidates)) < p[:, None]).astype(float)
    wrong = rng.random(truth.shape)
    said = np.where(truth == 1, wrong >= false_reject, wrong < false_accept).astype(float)
    return truth, said, p


def whole_items(truth, rng, number):
    gold = np.full(truth.shape, np.nan)
    rows = rng.choice(len(truth), number, replace=False)
    gold[rows] = truth[rows]
    return gold


def codes(result):
    return {diagnostic.code for diagnostic in result.diagnostics}


def test_whole_items_correct_everything():
    rng = np.random.default_rng(0)
    truth, said, _ = world(rng)
    result = estimate(said, gold=whole_items(truth, rng, 120), ks=[1, 4, 8], options=PLAIN)
    exact = estimate(truth, ks=[1, 4, 8], options=PLAIN)
    for figure, right in (
        (result.deployed, exact.deployed),
        (result.reachable, exact.reachable),
        (result.risk, exact.risk),
    ):
        assert figure.low < right.value < figure.high
    assert result.uncorrected.reachable.value > exact.reachable.value + 0.1
    assert result.error_budget.verifier == pytest.approx(result.uncorrected.reachable.value - result.reachable.value)
    assert result.risk.value == pytest.approx(result.reachable.value - result.deployed.value)
    assert [point.k for point in result.curve] == [1, 4, 8]
    assert result.curve[0].risk.value == 0
    assert all(point.corrected for point in result.curve)
    assert result.variance.verifier > 0


def test_recoverable_is_what_the_noisy_verifier_truly_earns():
    rng = np.random.default_rng(1)
    truth, said, _ = world(rng, items=500)
    stages = {
        stage.stage: stage for stage in estimate(said, gold=whole_items(truth, rng, 300), options=PLAIN).waterfall
    }
    assert stages["deployed"].value < stages["recoverable"].value < stages["reachable"].value
    assert "not cross-fitted" not in stages["recoverable"].note


def test_labelling_in_the_drawn_order_settles_items():
    rng = np.random.default_rng(2)
    truth, said, _ = world(rng)
    gold = np.full(truth.shape, np.nan)
    requests = draw_gold_sample(said, 250, rng)
    assert {request.inclusion for request in requests} == {len({request.item for request in requests}) / 300}
    for request in requests:
        if request.order and np.nanmax(gold[request.item]) == 1:
            continue
        gold[request.item, request.sample] = truth[request.item, request.sample]
    result = estimate(said, gold=gold, options=PLAIN)
    assert "gold" in codes(result)
    exact = estimate(truth, options=PLAIN)
    assert result.reachable.low < exact.reachable.value < result.reachable.high
    assert result.deployed.low < exact.deployed.value < result.deployed.high
    # Only the headline k is settled: the other points stay as they were measured, and say so.
    *others, last = result.curve
    raw = estimate(said, options=PLAIN).curve
    assert [(p.reachable, p.risk) for p in others] == [(p.reachable, p.risk) for p in raw[:-1]]
    assert [p.corrected for p in result.curve] == [False] * 7 + [True]
    assert (last.reachable, last.risk) == (result.reachable, result.risk)
    rows = msgspec.to_builtins(result.record())["curve"]
    assert [row["corrected"] for row in rows] == [False] * 7 + [True]
    assert rows[-1]["reachable"] == result.reachable.value
    assert "corrected" not in msgspec.to_builtins(estimate(said, options=PLAIN).record())["curve"][0]


def test_without_a_random_draw_deployed_stays_uncorrected():
    # Labels of accepted candidates only, and never of the first candidate where it was rejected.
    said = np.tile([0.0, 1.0], (50, 1))
    gold = np.full((50, 2), np.nan)
    gold[:20, 1] = 1.0
    result = estimate(said, gold=gold, options=PLAIN)
    assert "gold_uncorrected_deployed" in codes(result)
    assert result.corrected == ("reachable",)
    raw = estimate(said, options=PLAIN)
    assert (result.deployed, result.risk) == (raw.deployed, raw.risk)
    # All three raw figures are known, and the steps of the waterfall are between figures of one kind.
    assert result.uncorrected == Uncorrected(raw.deployed, raw.reachable, raw.risk)
    assert result.waterfall == raw.waterfall
    # The last point of the curve is of both kinds, and says so of each.
    marks = [(row["corrected"], row["risk_corrected"]) for row in msgspec.to_builtins(result.record())["curve"]]
    assert marks == [(False, False), (True, False)]


def test_one_blank_label_is_told_with_what_it_costs():
    # Of 20 items all three candidates are labelled, of which two are right, but for one label.
    said = np.tile([1.0, 1.0, 0.0], (50, 1))
    said[::2] = 0.0
    gold = np.full((50, 3), np.nan)
    gold[:20] = [0.0, 1.0, 1.0]
    assert "gold_first_alone" not in codes(estimate(said, gold=gold, options=PLAIN))
    gold[4, 2] = np.nan
    result = estimate(said, gold=gold, options=PLAIN)
    (told,) = [found for found in result.diagnostics if found.code == "gold_first_alone"]
    assert told.severity == "warning"
    assert told.message.startswith("1 of 20 items with labels lacks those of some candidates, so the first label")
    # Who stops at the first right candidate, as one may, has left nothing out.
    gold[:20, 2] = np.nan
    assert "gold_first_alone" not in codes(estimate(said, gold=gold, options=PLAIN))


def test_items_left_half_way_are_told_where_whole_ones_were_drawn():
    rng = np.random.default_rng(8)
    truth, said, _ = world(rng, 120, 4)
    gold = whole_items(truth, rng, 60)
    listed = ~np.isnan(gold)
    wrong = np.flatnonzero((gold == 0).all(axis=1))[:2]
    gold[wrong, 3] = np.nan
    result = estimate(said, gold=Gold(gold, listed=listed), options=PLAIN)
    told = [found.message for found in result.diagnostics if found.code == "gold_half_way"]
    assert "gold_scattered" in codes(result)
    assert len(told) == 1
    assert told[0].startswith("2 of 60 items with labels lack those of some candidates and none of them is right")
    # Single candidates that were drawn as such lack nothing.
    few = np.where(rng.random(truth.shape) < 0.3, truth, np.nan)
    assert "gold_half_way" not in codes(estimate(said, gold=Gold(few, listed=~np.isnan(few)), options=PLAIN))


def test_a_deployed_candidate_needs_its_own_gold():
    rng = np.random.default_rng(3)
    truth, said, _ = world(rng, candidates=9)
    gold = whole_items(truth[:, 1:], rng, 100)
    alone = estimate(said[:, 1:], deployed=said[:, 0], gold=gold, options=PLAIN)
    assert {"gold_uncorrected_deployed", "gold_uncorrected_reachable"} <= codes(alone)
    # Every candidate of 100 items is labelled: more labels of the pool would not help, and the message says so.
    said_why = [d.message for d in alone.diagnostics if d.code.startswith("gold_uncorrected")]
    assert all("what this strategy itself committed to" in message for message in said_why)
    assert not any("at least 3" in message for message in said_why)
    assert not any(point.corrected for point in alone.curve)
    labelled = np.where(np.isnan(gold[:, 0]), np.nan, truth[:, 0])
    both = estimate(said[:, 1:], deployed=said[:, 0], gold=Gold(gold, deployed=labelled), options=PLAIN)
    exact = estimate(truth[:, 1:], deployed=truth[:, 0], options=PLAIN)
    assert both.risk.low < exact.risk.value < both.risk.high


def test_scattered_gold_carries_its_badge():
    rng = np.random.default_rng(4)
    truth, said, p = world(rng, items=150)
    gold = np.where(rng.random(truth.shape) < 0.15, truth, np.nan)
    result = estimate(said, gold=gold)
    assert "assumes equal error rates" in result.reachable.method
    assert result.reachable.low < (1 - (1 - p) ** 8).mean() < result.reachable.high
    assert result.uncorrected.reachable.value > result.reachable.high
    (note,) = [d for d in result.diagnostics if d.code == "gold_scattered"]
    assert "equal error rates" in note.message


def test_uneven_errors_are_noticed():
    rng = np.random.default_rng(5)
    truth = np.zeros((60, 8))
    truth[:, 0] = 1
    said = truth.copy()
    said[:15, 1:6] = 1  # all false accepts crowd in a quarter of the items
    gold = np.where(rng.random(truth.shape) < 0.6, truth, np.nan)
    result = estimate(said, gold=Gold(gold, design="scattered"))
    (note,) = [d for d in result.diagnostics if d.code == "gold_scattered"]
    assert note.severity == "error"


def test_the_sensitivity_band_starts_from_the_naive_figure():
    rng = np.random.default_rng(6)
    truth, said, _ = world(rng)
    naive = estimate(said, options=PLAIN).reachable.value
    none = sensitivity_band(said, false_accept=(0, 0), false_reject=(0, 0))
    assert none.low == pytest.approx(naive, abs=0.01)
    assert none.high == pytest.approx(naive, abs=0.01)
    band = sensitivity_band(said, false_accept=(0.0, 0.12))
    assert band.low < estimate(truth, options=PLAIN).reachable.value < band.high


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (np.full((4, 2), np.nan), "no label"),
        (np.full((3, 2), 1.0), "3 items"),
        (np.full((4, 3), 1.0), "beyond the 2"),
        (np.full((4, 2), 2.0), "lies in"),
        (Gold([[0, None], [1, None], [1, None], [1, None]], design="items"), "settle"),
    ],
)
def test_bad_gold_is_refused(gold, message):
    with pytest.raises(InputError, match=message):
        estimate([[0, 1]] * 4, gold=gold)


def test_uncorrected_reachable_says_why():
    def why(utilities, gold, **keywords):
        result = estimate(utilities, gold=gold, options=PLAIN, **keywords)
        return next(d.message for d in result.diagnostics if d.code == "gold_uncorrected_reachable")

    nothing = [None, None]
    assert "labels of 2" in why([[0, 1]] * 5, [[0, 1], [0, 1], nothing, nothing, nothing])
    stopped = [[None, 1]] * 4 + [nothing]
    assert "whole pool" in why([[0, 1]] * 5, stopped, ks=1)


def test_too_few_labels_to_draw():
    # None is accepted, so each of the items takes all 10 labels.
    with pytest.raises(InputError, match="at least 3 are needed: ask for 30 labels"):
        draw_gold_sample(np.zeros((50, 10)), 20, np.random.default_rng(0))


def test_nothing_to_draw_from():
    with pytest.raises(InputError, match="no candidate has a known utility"):
        draw_gold_sample(np.full((5, 4), np.nan), 100, np.random.default_rng(0))


def test_expected_labels_by_hand():
    # First accepted: 1. Another: first and that one. None: all three known. Nothing known: none.
    said = [[1, 0, 0], [0, 0, 1], [0, 0, 0], [None, None, None], [None, 1, 0]]
    assert expected_labels(said).tolist() == [1, 2, 3, 0, 1]


def test_deployed_is_not_corrected_beside_a_raw_reachable():
    # The verifier rejects all first candidates, which are right: gold alone would put deployed above reachable.
    said = np.tile([0.0, 1.0, 0.0], (6, 1))
    said[5, 2] = np.nan  # a ragged pool: the curve ends at 2, and no k is the whole pool of every item
    gold = np.full((6, 3), np.nan)
    gold[:, 0] = 1.0
    result = estimate(said, gold=gold, options=PLAIN)
    raw = estimate(said, options=PLAIN)
    assert (result.deployed, result.reachable, result.risk) == (raw.deployed, raw.reachable, raw.risk)
    assert result.waterfall == raw.waterfall
    assert result.corrected == ()
    assert result.uncorrected is None
    said_why = {d.code: d.message for d in result.diagnostics if d.code.startswith("gold_uncorrected")}
    assert "at 1.000" in said_why["gold_uncorrected_deployed"]
    # A k of the whole pool would be refused, so it is not what the message asks for.
    assert "ask for k" not in said_why["gold_uncorrected_reachable"]
    assert "label every candidate of the 6 items" in said_why["gold_uncorrected_reachable"]


def test_the_k_that_the_message_asks_for_is_one_that_helps():
    rng = np.random.default_rng(7)
    truth, said, _ = world(rng, items=60, candidates=4)
    gold = np.full(truth.shape, np.nan)
    for request in draw_gold_sample(said, 80, rng):
        if not (request.order and np.nanmax(gold[request.item]) == 1):
            gold[request.item, request.sample] = truth[request.item, request.sample]
    small = estimate(said, gold=gold, ks=2, options=PLAIN)
    assert small.corrected == ()
    assert "ask for k = 4 (akrasia risk --k 4), or" in next(
        d.message for d in small.diagnostics if d.code == "gold_uncorrected_reachable"
    )
    assert estimate(said, gold=gold, ks=4, options=PLAIN).corrected == ("deployed", "reachable", "risk")


@pytest.mark.parametrize("stop", [True, False])
def test_labels_of_a_pool_that_has_grown_since_count_as_before(stop):
    rng = np.random.default_rng(8)
    truth, said, _ = world(rng, items=200, candidates=10)
    gold, listed = np.full(truth.shape, np.nan), np.zeros(truth.shape, bool)
    for request in draw_gold_sample(said[:, :6], 300, rng):
        place = request.item, request.sample
        listed[place] = True
        if not (stop and request.order and np.nanmax(gold[request.item]) == 1):
            gold[place] = truth[place]
    grown = estimate(said, gold=Gold(gold, listed=listed), options=PLAIN)
    assert grown.corrected == ()
    why = next(d.message for d in grown.diagnostics if d.code == "gold_uncorrected_reachable")
    assert "when an item had 6 candidates" in why
    assert "ask for k = 6 (akrasia risk --k 6), or label the later candidates" in why
    asked = estimate(said, gold=Gold(gold, listed=listed), ks=6, options=PLAIN)
    assert asked.corrected == ("deployed", "reachable", "risk")
    exact = estimate(truth, ks=6, options=PLAIN)
    for figure, right in ((asked.deployed, exact.deployed), (asked.reachable, exact.reachable)):
        assert figure.low < right.value < figure.high
    # As precise as with the pool that was labelled: a few per cent of a width are the other pool's.
    then = estimate(said[:, :6], gold=gold[:, :6], ks=6, options=PLAIN)
    assert asked.reachable.half_width < 1.1 * then.reachable.half_width
    assert asked.deployed.half_width < 1.1 * then.deployed.half_width


def test_a_pool_that_has_grown_is_not_settled_by_right_candidates_alone():
    # Every drawn item has a right candidate among the first two, so the best of four is right too. To say so only where
    # they all have one would be to report lucky draws alone.
    said = np.ones((12, 4))
    said[::3, 1] = 0.0
    gold, listed = np.full((12, 4), np.nan), np.zeros((12, 4), bool)
    listed[:6, :2] = True
    gold[:6, :2] = [[1.0, 0.0]] * 6
    assert estimate(said, gold=Gold(gold, listed=listed), options=PLAIN).corrected == ()
    two = estimate(said, gold=Gold(gold, listed=listed), ks=2, options=PLAIN)
    assert two.corrected == ("deployed", "reachable", "risk")
    assert [stage.stage for stage in two.waterfall] == ["deployed", "recoverable", "reachable", "perfect"]


def test_the_corrected_curve_has_no_dent_in_its_band():
    # Near 1, where the labels show few errors, the lower end had fallen to below a tenth at some k and risen again.
    rng = np.random.default_rng(10)
    truth = (rng.random((24, 6)) < 0.75).astype(float)
    said = np.where(rng.random(truth.shape) < 0.3, 1.0, truth)
    result = estimate(said, gold=whole_items(truth, rng, 17), options=PLAIN)
    lows = [point.reachable.low for point in result.curve]
    assert all(point.corrected for point in result.curve)
    assert lows == sorted(lows)
    # 17 labelled items, all right, would put it above 17 / (17 + t²), t = 2.131; so far below no k can be.
    assert min(lows[1:]) > 0.6
    assert [point.risk.low for point in result.curve] == sorted(point.risk.low for point in result.curve)
