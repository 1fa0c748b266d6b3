"""Augmentation of texts: a share of the tokens becomes the unknown one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.row_random import STREAMS, uniforms

PADDING = 0


class TokenDropout:
    """Word dropout (Iyyer et al. 2015, Deep Unordered Composition Rivals Syntactic Methods, section 2.3.1).

    Dropped tokens are replaced, not taken out: so the model learns what an unknown token is, which a tokenizer that
    knows every byte never makes of a train row, and which explanations put in a token's place.
    """

    def __init__(self, share: float, seed: int, transform: Json) -> None:
        """`share` of the tokens in [0, 1); padding and the tokenizer's special tokens stay."""
        self._share, self._seed, self._unknown = share, seed, transform["unknown"]
        added = transform["tokenizer"].get("added_tokens", [])
        self._kept = [PADDING, *(token["id"] for token in added if token["special"])]

    def __call__(self, inputs: NDArray[np.int32], rows: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """Ids `[rows, tokens]`, positions of these rows -> the same shape."""
        is_dropped = uniforms(self._seed, STREAMS["text"], epoch, rows, inputs.shape[1]) < self._share
        return np.where(is_dropped & ~np.isin(inputs, self._kept), np.int32(self._unknown), inputs)
