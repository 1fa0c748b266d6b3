"""Checks and encodes the texts of a prediction request. Copied into served text models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.request_rows import InvalidRowError, check_columns, is_missing, quote, replace_lone_surrogates
from headrace.data.text.repair import repair_text

COLUMN = "text"
CHARACTERS_PER_TOKEN = 64
"""A text is cut to this many characters per allowed token, so that the rest of a very long one is not tokenized."""


class Encoder:
    """Rows with a text in `text` -> the graph's inputs."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Loads the artifact `tokenizer`.

        `card` has `max_tokens`, `unknown`, the id for a text without tokens, and possibly `missing`, the cells that
        stand for a missing text.
        """
        from tokenizers import Tokenizer

        self._max_tokens, self._unknown = card["max_tokens"], card["unknown"]
        self._missing = frozenset(card.get("missing", ()))
        self._tokenizer = Tokenizer.from_str(Path(artifacts["tokenizer"]).read_text(encoding="utf-8"))
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # a literal "[PAD]" in a text is not padding
        self._tokenizer.enable_truncation(self._max_tokens)

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.int32]:
        """-> int32 `[rows, tokens of the longest]`, padded with 0; raises InvalidRowError.

        Texts are repaired as `clean` does by default; it rejects empty ones too.
        """
        check_columns(rows, [COLUMN])
        texts = [self._repair(index, row[COLUMN]) for index, row in enumerate(rows)]
        encoded = self._tokenizer.encode_batch_fast([text[: self._max_tokens * CHARACTERS_PER_TOKEN] for text in texts])
        ids = [row.ids or [self._unknown] for row in encoded]
        padded = np.zeros((len(ids), max(map(len, ids))), np.int32)
        for row, tokens in zip(padded, ids, strict=True):
            row[: len(tokens)] = tokens
        return padded

    def _repair(self, index: int, cell: Any) -> str:
        if is_missing(cell) or (isinstance(cell, str) and cell.strip() in self._missing - {""}):
            value = "" if is_missing(cell) else f"{quote(cell)} stands for a "
            raise InvalidRowError(index, COLUMN, f"{value}missing text; send a text with at least one word")
        if not isinstance(cell, str):
            raise InvalidRowError(index, COLUMN, f"{quote(cell)} is a {type(cell).__name__}; send a text")
        text = repair_text(replace_lone_surrogates(cell)).text
        if not text:
            problem = "nothing but white space, markup or control characters; send a text with at least one word"
            raise InvalidRowError(index, COLUMN, f"{quote(cell)} is empty: {problem}")
        return text
