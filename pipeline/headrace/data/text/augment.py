"""Augmentation of texts: token dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.row_random import STREAMS, draw_uniforms

PADDING = 0


class TokenDropout:
    """Word dropout (Iyyer et al. 2015, Deep Unordered Composition Rivals Syntactic Methods, section 2.3.1).

    Dropped tokens become the unknown token instead of being removed. The model so learns the unknown token, which a
    byte-level tokenizer never produces for train rows, and which explanations use as the baseline.
    """

    def __init__(self, fraction: float, seed: int, transform: Json) -> None:
        """`fraction` of the tokens, in [0, 1); padding and the tokenizer's special tokens are exempt."""
        self._fraction, self._seed, self._unknown = fraction, seed, transform["unknown"]
        added = transform["tokenizer"].get("added_tokens", [])
        self._exempt = [PADDING, *(token["id"] for token in added if token["special"])]

    def __call__(self, inputs: NDArray[np.int32], rows: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """Ids `[rows, tokens]` and the positions of these rows -> the same shape."""
        is_dropped = draw_uniforms(self._seed, STREAMS["text"], epoch, rows, inputs.shape[1]) < self._fraction
        return np.where(is_dropped & ~np.isin(inputs, self._exempt), np.int32(self._unknown), inputs)
