"""Token ids of texts by a tokenizer, in `normalize` and in serving. Copied into served models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING = 0
CHARACTERS_PER_TOKEN = 64
"""A text is cut to this many characters per allowed token, so that the rest of a very long one is not tokenized."""


class TokenEncoder:
    """Converts texts to at most `max_tokens` ids each."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, unknown: int) -> None:
        """Sets truncation and padding of `tokenizer`; `unknown` is the id for a text without tokens."""
        self.max_tokens, self._unknown, self._tokenizer = max_tokens, unknown, tokenizer
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # a literal "[PAD]" in a text is not padding
        tokenizer.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns 1 to `max_tokens` ids per text."""
        beginnings = [text[: self.max_tokens * CHARACTERS_PER_TOKEN] for text in texts]
        return [row.ids or [self._unknown] for row in self._tokenizer.encode_batch_fast(beginnings)]

    def encode_cells(self, cells: Sequence[str | None]) -> NDArray[np.int32]:
        """Returns `[rows, max_tokens]`, padded; a missing text is nothing but padding."""
        ids = np.full((len(cells), self.max_tokens), PADDING, np.int32)
        present = [row for row, cell in enumerate(cells) if cell is not None]
        for row, tokens in zip(present, self.encode([cells[row] or "" for row in present]), strict=True):
            ids[row, : len(tokens)] = tokens
        return ids
