"""What a served model makes of the texts it is asked about. Travels with the model: needs no other room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.text.repair import repair

CHARACTERS_PER_TOKEN = 64  # as transform.py, which says why


class Encoder:
    """Rows with a text in `text` -> the graph's inputs; a missing text is an empty one."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Loads the artifact `tokenizer`; `card` tells `max_tokens`, and `unknown`, the id of an empty text."""
        from tokenizers import Tokenizer

        self._max_tokens, self._unknown = card["max_tokens"], card["unknown"]
        self._tokenizer = Tokenizer.from_str(Path(artifacts["tokenizer"]).read_text(encoding="utf-8"))
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # a text that holds "[PAD]" has no padding in it
        self._tokenizer.enable_truncation(self._max_tokens)

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.int32]:
        """-> int32 `[rows, tokens of the longest]`, 0 behind the shorter ones; mended as `clean` mends by default."""
        texts = [repair(row["text"]).text if isinstance(row["text"], str) else "" for row in rows]
        encoded = self._tokenizer.encode_batch_fast([text[: self._max_tokens * CHARACTERS_PER_TOKEN] for text in texts])
        ids = [row.ids or [self._unknown] for row in encoded]
        padded = np.zeros((len(ids), max(map(len, ids))), np.int32)
        for row, tokens in zip(padded, ids, strict=True):
            row[: len(tokens)] = tokens
        return padded
