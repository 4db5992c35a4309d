from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError, Undefined
from akrasia.stats import class_agreement, krippendorff, krippendorff_figure
from akrasia.stats.agreement import without_interval

NAN = np.nan


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestKrippendorff:
    def test_four_observers_with_gaps(self):
        # Krippendorff's own example of nominal data with missing entries: α = 0.743.
        ratings = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
            [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
        ]
        assert krippendorff(ratings) == pytest.approx(0.743, abs=5e-4)

    def test_by_hand(self):
        # Units (1,1), (0,0), (0,1): n = 6, ones 3, zeros 3. Observed 2·1/6 = 1/3 of the pairs differ; by chance
        # 2·3·3/(6·5) = 3/5. α = 1 − (1/3)/(3/5) = 4/9.
        assert krippendorff([[1, 0, 0], [1, 0, 1]]) == pytest.approx(4 / 9)

    @pytest.mark.parametrize("ratings", [[[1, 1, 1], [1, 1, 1]], [[1, NAN], [NAN, 0]], [[], []], [[0, 1]]])
    def test_undefined(self, ratings):
        with pytest.raises(Undefined):
            krippendorff(ratings)

    def test_a_vector_is_refused(self):
        with pytest.raises(InputError):
            krippendorff([0, 1])

    @given(arrays(float, (3, 8), elements=st.sampled_from([0.0, 1.0, 2.0, NAN])))
    def test_equals_the_pairwise_definition(self, ratings):
        observed, kept = [], []
        for unit in ratings.T:
            values = unit[~np.isnan(unit)]
            if len(values) < 2:
                continue
            kept += list(values)
            observed += [(a != b) / (len(values) - 1) for a, b in itertools.permutations(values, 2)]
        chance = [a != b for a, b in itertools.permutations(kept, 2)]
        if not any(chance):
            with pytest.raises(Undefined):
                krippendorff(ratings)
            return
        expected = 1 - (sum(observed) / len(kept)) / (sum(chance) / len(chance))
        assert krippendorff(ratings) == pytest.approx(expected)

    def test_the_interval_holds_the_value_and_narrows(self):
        source = np.random.default_rng(3)
        true = (source.random(800) < 0.4).astype(float)
        other = np.where(source.random(800) < 0.15, 1 - true, true)
        few = krippendorff_figure([true[:100], other[:100]], rng())
        many = krippendorff_figure([true, other], rng())
        assert few.low < few.value < few.high
        assert many.half_width < 0.6 * few.half_width

    def test_no_end_lies_below_the_least_alpha(self):
        # Of 12 units either rater marks one, never the same: 2 of 12 differ, and chance alone 2·2·22 / (24·23) = 0.159.
        # Wilson's upper end of 2 in 12 is 0.448, which would make α 1 − 0.448 / 0.159 = −1.8.
        one, other = np.eye(12)[0], np.eye(12)[1]
        figure = krippendorff_figure([one, other], rng())
        assert figure.low == -1
        assert figure.value == pytest.approx(1 - (2 / 12) / (88 / 552))
        whole = class_agreement(np.stack([one, one], 1), np.stack([other, other], 1), rng())
        assert whole.alpha.low == -1  # the mean of the classes' intervals

    def test_no_error_seen_is_not_certainty(self):
        figure = krippendorff_figure([[0, 1] * 20, [0, 1] * 20], rng())
        assert figure.value == figure.high == 1
        assert 0.7 < figure.low < 0.95

    def test_a_handful_of_texts_has_no_interval(self):
        """Nine texts of two units each that all agree and differ alike: every resample of them is the same table."""
        alike = krippendorff_figure([[0, 1] * 9, [0, 0] * 9], rng(), clusters=np.repeat(np.arange(9), 2))
        assert (alike.low, alike.high, alike.n) == (None, None, 9)
        note = without_interval(alike, "stated")
        assert note is not None
        assert "α is of 9 independent texts or families and has no interval; it takes 10" in note.message
        enough = krippendorff_figure([[0, 1] * 5, [0, 0, 1, 1, 0] * 2], rng())
        assert enough.low < enough.value < enough.high
        assert without_interval(enough, "stated") is None
        assert without_interval(None, "stated") is None

    def test_one_cluster_has_no_interval(self):
        figure = krippendorff_figure([[0, 1, 1], [0, 1, 0]], rng(), clusters=["a"] * 3)
        assert figure.low is None


class TestAgreement:
    def test_few_rows_have_no_interval_of_alpha_and_one_of_f1(self):
        found = class_agreement([[1], [1], [0], [0]], [[1], [0], [1], [0]], rng())
        assert (found.alpha.low, found.alpha.high) == (None, None)
        assert found.macro_f1.low < 0.5 < found.macro_f1.high

    def test_by_hand(self):
        # Class 0: tp 1, fp 1, fn 1: F1 = 2/4; precision 1/2, recall 1/2. Class 1: tp 2, fn 1: F1 = 4/5, 1, 2/3.
        labels = [[1, 1], [1, 0], [0, 1], [0, 0]]
        truth = [[1, 1], [0, 1], [1, 1], [0, 0]]
        found = class_agreement(labels, truth, rng())
        first, second = found.classes
        assert (first.f1.value, first.precision.value, first.recall.value, first.support) == (0.5, 0.5, 0.5, 2)
        assert second.f1.value == pytest.approx(0.8)
        assert (second.precision.value, second.recall.value, second.support) == (1.0, pytest.approx(2 / 3), 3)
        assert found.macro_f1.value == pytest.approx(0.65)
        assert found.alpha.value == pytest.approx((first.alpha.value + second.alpha.value) / 2)

    def test_a_missing_label_is_no_zero(self):
        found = class_agreement([[1], [NAN], [0]], [[1], [1], [0]], rng())
        assert found.classes[0].recall.value == 1
        assert (found.classes[0].support, found.classes[0].rows) == (1, 2)

    def test_a_class_that_nobody_marks_has_no_f1_and_does_not_count(self):
        found = class_agreement([[1, 0], [0, 0]], [[1, 0], [0, 0]], rng())
        assert found.classes[1].f1 is None
        assert found.classes[1].precision is None
        assert found.classes[1].alpha is None
        assert found.macro_f1.value == 1

    def test_nothing_marked_at_all(self):
        found = class_agreement([[0], [0]], [[0], [0]], rng())
        assert found.macro_f1 is None
        assert found.alpha is None

    def test_without_a_hit_f1_is_zero(self):
        assert class_agreement([[1], [0]], [[0], [1]], rng()).macro_f1.value == 0

    def test_all_right_is_not_certainty(self):
        truth = np.tile([[1, 0], [0, 1]], (25, 1))
        found = class_agreement(truth, truth, rng())
        assert found.macro_f1.value == found.macro_f1.high == 1
        assert 0.8 < found.macro_f1.low < 1

    def test_refusals(self):
        with pytest.raises(InputError, match="one shape"):
            class_agreement([[1, 0]], [[1]], rng())
        with pytest.raises(InputError, match="0 or 1"):
            class_agreement([[0.5]], [[1]], rng())
        with pytest.raises(Undefined):
            class_agreement(np.zeros((0, 2)), np.zeros((0, 2)), rng())

    @settings(deadline=None, max_examples=25)
    @given(arrays(bool, (12, 3)), arrays(bool, (12, 3)), st.permutations(range(12)))
    def test_the_order_of_rows_does_not_matter_and_intervals_hold_their_value(self, labels, truth, order):
        found = class_agreement(labels, truth, rng(), resamples=100)
        again = class_agreement(labels[order], truth[order], rng(), resamples=100)
        for one, other in zip(found.classes, again.classes, strict=True):
            assert (one.f1 is None) == (other.f1 is None)
            for figure in (one.f1, one.precision, one.recall, one.alpha):
                assert figure is None or figure.low <= figure.value <= figure.high
        if found.macro_f1 is not None:
            assert found.macro_f1.value == pytest.approx(again.macro_f1.value)
            assert found.macro_f1.low <= found.macro_f1.value <= found.macro_f1.high


def _world(source: np.random.Generator, families: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, truth and clusters: 4 texts a family, 3 classes, the error of a family of its own."""
    clusters = np.repeat(np.arange(families), 4)
    truth = source.random((4 * families, 3)) < np.array([0.5, 0.3, 0.15])
    error = source.beta(2, 8, families)[clusters][:, None]
    labels = np.where(source.random(truth.shape) < error, ~truth, truth)
    return labels.astype(float), truth.astype(float), clusters


def _coverage(worlds: int, families: int, resamples: int = 400) -> tuple[float, float]:
    source = np.random.default_rng(11)
    labels, truth, _ = _world(source, 200_000)
    actual = class_agreement(labels, truth, rng(), resamples=100)
    held = np.zeros(2)
    for _ in range(worlds):
        labels, truth, clusters = _world(source, families)
        found = class_agreement(labels, truth, source, clusters=clusters, resamples=resamples)
        held[0] += found.macro_f1.low <= actual.macro_f1.value <= found.macro_f1.high
        held[1] += found.alpha.low <= actual.alpha.value <= found.alpha.high
    return float(held[0] / worlds), float(held[1] / worlds)


def test_coverage_in_few_worlds():
    macro, alpha = _coverage(60, 60)
    assert min(macro, alpha) >= 0.85


@pytest.mark.slow
def test_coverage():
    for families in (25, 100):
        macro, alpha = _coverage(2000, families, 1000)
        assert min(macro, alpha) >= 0.925
