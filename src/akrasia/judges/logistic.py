"""Ridge logistic regression for many labels at once, on vectors: the fitting behind the encoder's head.

What the labels mean, and which rows are held apart, is left to `training`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from akrasia.judges.encoder_head import Floats, Layer

_STEPS = 300


def fit_layer(vectors: NDArray[np.floating], labels: Floats, *, ridge: float, shared: float | None = None) -> Layer:
    """The layer that minimises ``Σ log loss + ridge/2 · Σ |w_r − w|² + shared/2 · |w|²``; biases are free.

    Args:
        vectors: (N, D).
        labels: (N, R) in [0, 1]; NaN where a row says nothing about a label.
        ridge: how strongly each label's weights are held to the common ones, or to 0.
        shared: None: there are no common weights, w = 0. A number: all labels share a common part, held to 0 so
            strongly, which few rows per label can afford to learn.
    """
    from scipy.optimize import minimize

    design = np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])
    known = np.isfinite(labels)
    truth = np.where(known, labels, 0.0)
    width, count = design.shape[1], labels.shape[1]
    common = 0 if shared is None else 1
    pull = np.full((width, count + common), ridge)
    pull[:, count:] = shared or 0.0
    pull[-1] = 1e-6

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(width, count + common)
        logits = design @ (weights[:, :count] + weights[:, count:].sum(axis=1, keepdims=True))
        off = np.where(known, 0.5 * (1.0 + np.tanh(0.5 * logits)) - truth, 0.0)
        cost = np.where(known, np.logaddexp(0.0, logits) - truth * logits, 0.0).sum()
        slope = design.T @ off
        if common:
            slope = np.column_stack([slope, slope.sum(axis=1)])
        return float(cost + 0.5 * np.sum(pull * weights**2)), (slope + pull * weights).ravel()

    start = np.zeros(width * (count + common))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    weights = found.reshape(width, count + common)
    whole = weights[:, :count] + weights[:, count:].sum(axis=1, keepdims=True)
    return Layer(whole[:-1], whole[-1])


def platt_slope(logits: Floats, labels: Floats) -> float:
    """The slope of the logistic regression of labels on logits: what makes their differences log odds.

    Source: J. Platt, Probabilistic outputs for support vector machines, 1999.
    """
    found = fit_layer(logits.reshape(-1, 1), labels.reshape(-1, 1), ridge=1e-6)
    return float(found.weights[0, 0])
