"""The embedded judge: a small sentence encoder with a trained head. Offline, one core, no model asked.

A text is read in passages of one to three sentences, and the most telling passage speaks for it and is its evidence. A
passage that expresses none of the values is read so: nothing present, which is how this judge abstains.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import PRESENT, Ask, Fingerprint, InputError, Judgement, Reading
from akrasia.judges.embedder import MODEL_FILE, TOKENIZER_FILE, Embedder
from akrasia.judges.encoder_head import CATEGORIES, HEAD_FILE, Floats, Head, load_head, pool
from akrasia.judges.sentences import split_passages
from akrasia.values import Taxonomy, taxonomy

SHIPPED = Path(__file__).parent / "data"
"""The folder of the shipped encoder, its head and its card."""

CARD_FILE = "encoder-card.json"
"""How good a head is, and what it was made from; see `encoder_card`."""

COARSER: tuple[Literal["schwartz-10"], Literal["higher-order"]] = ("schwartz-10", "higher-order")
"""Taxonomies whose values are read through the refined values that fall in them."""


class Verdict(Struct, frozen=True):
    """What the head reads in one text, by category.

    Attributes:
        scores: (20,) how strongly the text upholds each; 0 where betrayed.
        polarity: (20,) 1 upholds, −1 betrays, 0 absent.
        decided: (20,) index of the passage that decided.
        passages: the text's passages; empty where it has none to read.
    """

    scores: Floats
    polarity: NDArray[np.int8]
    decided: NDArray[np.intp]
    passages: tuple[str, ...]


TURN = 32
"""Passages that are read at once: about a tenth of a second."""

_SHORT = 4000
"""Letters of a text that is about one turn in any case."""


class Encoder:
    """The judge named ``encoder``. See `akrasia.judges.Judge`.

    Args:
        folder: where a head of one's own lies (`akrasia judge train`); None: the shipped one.

    Raises:
        InputError: the folder holds no head.
    """

    model: str | None = None
    prompts: tuple[str, ...] = ()
    deterministic = True

    def __init__(self, folder: Path | None = None) -> None:
        self.name = "encoder" if folder is None else f"encoder:{folder}"
        self._head_file = (folder or SHIPPED) / HEAD_FILE
        if not self._head_file.is_file():
            raise InputError(
                f"no trained head in {self._head_file.parent}: make one with akrasia judge train -o DIR, or say encoder"
            )
        self._embedder = Embedder(SHIPPED)
        # One thread keeps the event loop free and the machine's other cores for whoever answers.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="akrasia-encoder")

    @cached_property
    def _head(self) -> Head:
        return load_head(self._head_file)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The hash of the encoder, its tokenizer and its head, and the library that runs them."""
        digest = hashlib.sha256()
        for path in (SHIPPED / MODEL_FILE, SHIPPED / TOKENIZER_FILE, self._head_file):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return Fingerprint("encoder", digest.hexdigest(), f"onnxruntime {version('onnxruntime')}")

    def check(self, taxonomy: Taxonomy) -> None:
        """Refuse values that are neither Schwartz's (19, 10 or the four groups) nor ValueEval's objectivity.

        Raises:
            InputError: naming those that it does not know, or that belong to different lists.
        """
        _members(taxonomy)

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        """The verdict on one text; `ask`, `role` and `repeat` change nothing.

        Texts take turns of `TURN` passages, so that a short one need not wait for the whole of a long one, and a long
        one that nobody waits for any more ends with its turn.
        """
        del ask, role, repeat
        self.check(taxonomy)
        loop = asyncio.get_running_loop()
        if len(text) <= _SHORT:
            return _judgement(await loop.run_in_executor(self._thread, self._verdict, text), taxonomy)
        passages = await asyncio.to_thread(split_passages, text)
        found = [await loop.run_in_executor(self._thread, self._scores, turn) for turn in _turns(passages)]
        return _judgement(_pooled(found, passages), taxonomy)

    def read_texts(self, texts: Sequence[str]) -> tuple[Floats, NDArray[np.int8]]:
        """Many texts at once, on the calling thread: (N, 20) scores and polarity, as in `Verdict`."""
        verdicts = [self._verdict(text) for text in texts]
        none = np.zeros((0, len(CATEGORIES)))
        return (
            np.stack([verdict.scores for verdict in verdicts]) if verdicts else none,
            np.stack([verdict.polarity for verdict in verdicts]) if verdicts else none.astype(np.int8),
        )

    def judge_texts(self, texts: Sequence[str], taxonomy: Taxonomy) -> list[Judgement]:
        """Many verdicts at once, on the calling thread.

        Raises:
            InputError: as `check`.
        """
        self.check(taxonomy)
        return [_judgement(self._verdict(text), taxonomy) for text in texts]

    def _verdict(self, text: str) -> Verdict:
        passages = split_passages(text)
        return _pooled([self._scores(turn) for turn in _turns(passages)], passages)

    def _scores(self, passages: Sequence[str]) -> tuple[Floats, Floats]:
        return self._head.read(self._embedder.embed(passages))


def _turns(passages: Sequence[str]) -> list[Sequence[str]]:
    return [passages[start : start + TURN] for start in range(0, len(passages), TURN)]


def _pooled(found: Sequence[tuple[Floats, Floats]], passages: tuple[str, ...]) -> Verdict:
    """The verdict on a text from the scores of its passages, turn by turn."""
    if not found:
        none = np.zeros(len(CATEGORIES))
        return Verdict(none, none.astype(np.int8), none.astype(np.intp), ())
    upheld, betrayed = (np.concatenate([turn[side] for turn in found]) for side in (0, 1))
    return Verdict(*pool(upheld, betrayed), passages)


def _judgement(verdict: Verdict, taxonomy: Taxonomy) -> Judgement:
    return Judgement({value: _reading(verdict, rows) for value, rows in _members(taxonomy).items()})


def _reading(verdict: Verdict, rows: tuple[int, ...]) -> Reading:
    """The reading of a value that is made of some of the categories: the one that is upheld most speaks for them."""
    best = max(rows, key=lambda row: verdict.scores[row])
    score = float(verdict.scores[best])
    if score >= PRESENT:
        return Reading(score, "upholds", verdict.passages[verdict.decided[best]])
    for row in rows:
        if verdict.polarity[row] < 0:
            return Reading(0.0, "betrays", verdict.passages[verdict.decided[row]])
    return Reading(score)


def _members(taxonomy: Taxonomy) -> Mapping[str, tuple[int, ...]]:
    """Value id → rows of the categories that it is made of, for all values of a taxonomy, in its order.

    "tradition" of the ten is wider than that of the refined values, so a list is read as a whole: as the one whose name
    it has, else as the finest that holds all of its ids.
    """
    levels = _levels()
    for level in (taxonomy.name, *levels):
        if level in levels and all(value in levels[level] for value in taxonomy.ids):
            return {value: levels[level][value] for value in taxonomy.ids}
    unknown = [value for value in taxonomy.ids if not any(value in level for level in levels.values())]
    named = ", ".join((unknown or list(taxonomy.ids))[:6])
    why = f"was not trained on {named}" if unknown else f"cannot read {named} as one list"
    raise InputError(
        f"the encoder {why} ({taxonomy.name!r}): judge them with llm:MODEL, "
        "or use schwartz-19, schwartz-10 or higher-order"
    )


@cache
def _levels() -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    """For the categories and each coarser taxonomy, finest first: value id → rows of the categories in it."""
    refined = taxonomy("schwartz-19")
    levels: dict[str, dict[str, tuple[int, ...]]] = {
        refined.name: {category: (row,) for row, category in enumerate(CATEGORIES)}
    }
    for coarser in COARSER:
        levels[coarser] = {
            value: tuple(CATEGORIES.index(one.id) for one in refined.values if one.broader[coarser] == value)
            for value in taxonomy(coarser).ids
        }
    return levels


def build(text: str) -> Encoder:
    """The judge that ``encoder`` or ``encoder:DIR`` names.

    Raises:
        InputError: DIR holds no head.
    """
    return Encoder(Path(text).expanduser() if text else None)
