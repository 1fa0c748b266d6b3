"""Encodes the texts of a prediction request. Copied into served text models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.text.repair import repair_text

CHARACTERS_PER_TOKEN = 64
"""A text is cut to this many characters per allowed token, so that the rest of a very long one is not tokenized."""


class Encoder:
    """Rows with a text in `text` -> the graph's inputs; a missing text is empty."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Loads the artifact `tokenizer`; `card` has `max_tokens` and `unknown`, the id for an empty text."""
        from tokenizers import Tokenizer

        self._max_tokens, self._unknown = card["max_tokens"], card["unknown"]
        self._tokenizer = Tokenizer.from_str(Path(artifacts["tokenizer"]).read_text(encoding="utf-8"))
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # a literal "[PAD]" in a text is not padding
        self._tokenizer.enable_truncation(self._max_tokens)

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.int32]:
        """-> int32 `[rows, tokens of the longest]`, padded with 0; texts are repaired as `clean` does by default."""
        texts = [repair_text(row["text"]).text if isinstance(row["text"], str) else "" for row in rows]
        encoded = self._tokenizer.encode_batch_fast([text[: self._max_tokens * CHARACTERS_PER_TOKEN] for text in texts])
        ids = [row.ids or [self._unknown] for row in encoded]
        padded = np.zeros((len(ids), max(map(len, ids))), np.int32)
        for row, tokens in zip(padded, ids, strict=True):
            row[: len(tokens)] = tokens
        return padded
