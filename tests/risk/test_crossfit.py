from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError
from akrasia.risk import Options, cross_fit, estimate


def test_by_hand():
    # First judge ranks (0, 1), second (1, 0). Chosen by the first: second gives 0; by the second: first gives 0.
    result = cross_fit([[0.0, 1.0]] * 3, [[1.0, 0.0]] * 3, 2)
    assert result.recoverable.value == 0
    assert result.naive.value == 1
    assert result.curse.value == 1


def test_the_waterfall_holds_the_cross_fitted_figure():
    rng = np.random.default_rng(3)
    first, second = rng.random((40, 8)), rng.random((40, 8))
    result = estimate(first, verifier=second, options=Options(cross_fit=True))
    stage = next(stage for stage in result.waterfall if stage.stage == "recoverable")
    assert stage.value == result.cross_fit.recoverable.value
    assert "not cross-fitted" not in stage.note
    assert "not_cross_fitted" not in {diagnostic.code for diagnostic in result.diagnostics}


def test_pure_noise_recovers_the_mean_and_not_the_maximum():
    rng = np.random.default_rng(0)
    first, second = rng.random((400, 16)), rng.random((400, 16))
    result = cross_fit(first, second, 16)
    assert result.recoverable.low < 0.5 < result.recoverable.high
    assert result.naive.value > 0.9
    assert result.curse.low > 0.3


def test_the_curse_grows_with_k():
    rng = np.random.default_rng(1)
    quality = rng.random((200, 16)) * 0.6 + 0.2
    first, second = (np.clip(quality + rng.normal(0, 0.15, quality.shape), 0, 1) for _ in range(2))
    assert cross_fit(first, second, 16).curse.value > cross_fit(first, second, 2).curse.value > 0


def test_a_judge_is_no_check_on_itself():
    scores = np.random.default_rng(2).random((5, 4))
    with pytest.raises(InputError, match="itself"):
        cross_fit(scores, scores.copy(), 2)
    with pytest.raises(InputError):
        cross_fit(scores, scores[:, :3], 2)
