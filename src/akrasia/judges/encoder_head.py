"""What the vectors of the sentence encoder say about values: presence, polarity and register, from one small file.

Two registers are told apart, since their labels mean different things. In *speech* (what somebody says to somebody, or
of themself) a value is upheld, betrayed or absent, and most sentences hold none. In *arguments* (why something should
be banned or allowed) nearly every text appeals to some value, and nothing is betrayed. Each register has its own
threshold; a passage between the two is read by both, in proportion.

Fitting is left to `training`, vectors to `embedder`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import PRESENT
from akrasia.values import OBJECTIVITY, taxonomy

Floats = NDArray[np.float64]

HEAD_FILE = "encoder-head.npz"
CATEGORIES = (*taxonomy("schwartz-19").ids, OBJECTIVITY.id)
"""The 20 value ids that the head knows, in the order of its rows."""

_NOT_BETRAYED = -8.0
"""The logit of betrayal in an argument: ValueEval labels appeals alone."""


class Layer(Struct, frozen=True):
    """A linear map from vectors to logits: `weights` (D, R) and `bias` (R,)."""

    weights: Floats
    bias: Floats

    def logits(self, vectors: NDArray[np.floating]) -> Floats:
        """(N, R) logits of (N, D) vectors."""
        found: Floats = vectors.astype(np.float64) @ self.weights + self.bias
        return found


class Threshold(Struct, frozen=True):
    """How a logit becomes a score: ``1 / (1 + exp(−slope · (logit − at)))``.

    Attributes:
        slope: one positive number, by Platt's method: it makes odds of logits.
        at: (20,) or (1,), the tuned thresholds, which so become a score of `PRESENT`.
    """

    slope: float
    at: Floats

    def shifted(self, logits: Floats) -> Floats:
        """Logits of the scores."""
        return self.slope * (logits - self.at)


class Head(Struct, frozen=True):
    """Everything between a vector and a verdict.

    Attributes:
        anything: (D, 1) whether speech expresses any value: where it does not, the judge abstains from all 20.
        present: (D, 20) whether speech expresses a value at all.
        polarity: (D, 20) whether what it expresses upholds (positive) or betrays it.
        argument: (D, 20) whether an argument appeals to a value.
        register: (D, 1) argument (positive) or speech.
        expresses, upholds, betrays, appeals: thresholds of speech as a whole, of either polarity, and of arguments.
    """

    anything: Layer
    present: Layer
    polarity: Layer
    argument: Layer
    register: Layer
    expresses: Threshold
    upholds: Threshold
    betrays: Threshold
    appeals: Threshold

    def speech_logits(self, vectors: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
        """Logits before thresholds of (N, D) vectors, read as speech: upholds, betrays (N, 20), anything (N, 1)."""
        present, polarity = self.present.logits(vectors), self.polarity.logits(vectors)
        return both(present, polarity), both(present, -polarity), self.anything.logits(vectors)

    def read(self, vectors: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Scores of (N, D) vectors, one per passage: (N, 20) upheld, (N, 20) betrayed, from `PRESENT` on."""
        upholds, betrays, anything = self.speech_logits(vectors)
        speaks = self.expresses.shifted(anything)
        share = sigmoid(self.register.logits(vectors))
        appeals = self.appeals.shifted(self.argument.logits(vectors))
        upheld = (1 - share) * np.minimum(self.upholds.shifted(upholds), speaks) + share * appeals
        betrayed = (1 - share) * np.minimum(self.betrays.shifted(betrays), speaks) + share * _NOT_BETRAYED
        return sigmoid(upheld), sigmoid(betrayed)


def pool(upheld: Floats, betrayed: Floats) -> tuple[Floats, NDArray[np.int8], NDArray[np.intp]]:
    """One text's verdict from its passages: the most telling passage speaks for it.

    Args:
        upheld: (S, 20) scores of S ≥ 1 passages.
        betrayed: likewise.

    Returns:
        (20,) scores (0 where betrayed), polarity (1 upholds, −1 betrays, 0 absent) and the index of the passage that
        decided. Where a text upholds and betrays the same value, the higher score wins.
    """
    best, worst = upheld.max(axis=0), betrayed.max(axis=0)
    betrays = (worst >= PRESENT) & (worst > best)
    upholds = (best >= PRESENT) & ~betrays
    polarity = upholds.astype(np.int8) - betrays.astype(np.int8)
    decided = np.where(betrays, betrayed.argmax(axis=0), upheld.argmax(axis=0))
    return np.where(betrays, 0.0, best), polarity, decided


def both(first: Floats, second: Floats) -> Floats:
    """The logit of the product of two probabilities that are given as logits."""
    together = -np.logaddexp(0.0, -first) - np.logaddexp(0.0, -second)
    return np.asarray(together - np.log(-np.expm1(np.minimum(together, -1e-12))))


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


_LAYERS = ("anything", "present", "polarity", "argument", "register")
_THRESHOLDS = ("expresses", "upholds", "betrays", "appeals")


def save_head(head: Head, path: Path) -> None:
    """Write a head as one compressed NumPy file, without pickles."""
    arrays: dict[str, NDArray[np.float32]] = {}
    for name in _LAYERS:
        layer: Layer = getattr(head, name)
        arrays[f"{name}.weights"] = layer.weights.astype(np.float32)
        arrays[f"{name}.bias"] = layer.bias.astype(np.float32)
    for name in _THRESHOLDS:
        threshold: Threshold = getattr(head, name)
        arrays[f"{name}.slope"] = np.float32(threshold.slope).reshape(1)
        arrays[f"{name}.at"] = threshold.at.astype(np.float32)
    with path.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_head(path: Path) -> Head:
    """Read what `save_head` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        held = {name: stored[name].astype(np.float64) for name in stored.files}
    layers = {name: Layer(held[f"{name}.weights"], held[f"{name}.bias"]) for name in _LAYERS}
    thresholds = {name: Threshold(float(held[f"{name}.slope"][0]), held[f"{name}.at"]) for name in _THRESHOLDS}
    return Head(**layers, **thresholds)  # type: ignore[arg-type]
