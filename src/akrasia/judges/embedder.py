"""Texts to vectors: the shipped sentence encoder (int8 ONNX) and its tokenizer, on one core.

What the vectors say about values is left to `encoder_head`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FloatArray = NDArray[np.float32]

MODEL_FILE = "encoder.onnx"
TOKENIZER_FILE = "encoder-tokenizer.json"
MAX_TOKENS = 128
"""Later tokens are not read. A sentence as `split_sentences` cuts it rarely has as many."""


class Embedder:
    """Turns short texts into unit vectors. Loads on first use; the same text always gets the same vector.

    Args:
        folder: where the model and its tokenizer lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _session(self) -> InferenceSession:
        # No telemetry: the library collects some from its import on, unless told not to before.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        from onnxruntime import InferenceSession, SessionOptions, disable_telemetry_events

        disable_telemetry_events()
        options = SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        return InferenceSession(str(self.folder / MODEL_FILE), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER_FILE))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """(N, D) vectors of N texts, one row each.

        Each text runs alone: activations are quantised by their range, so that in a batch a text's vector would
        depend on its neighbours, and on one core a batch saves nothing.
        """
        made = {text: self._one(text) for text in dict.fromkeys(texts)}
        rows = [made[text] for text in texts]
        return np.concatenate(rows) if rows else np.zeros((0, self.width), dtype=np.float32)

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self._session.get_outputs()[0].shape[1])

    def _one(self, text: str) -> FloatArray:
        ids = np.asarray([self._tokenizer.encode(text).ids], dtype=np.int64)
        found: FloatArray = self._session.run(None, {"input_ids": ids})[0]
        return found
