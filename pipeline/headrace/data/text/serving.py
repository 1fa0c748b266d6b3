"""Checks and encodes the texts of a prediction request. Copied into served text models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headrace.data.request_rows import (
    Encoded,
    Problem,
    check_columns,
    is_missing,
    name_kind,
    quote,
    replace_lone_surrogates,
)
from headrace.data.text.repair import repair_text
from headrace.data.text.token_ids import TokenEncoder

COLUMN = "text"


class Encoder:
    """Rows with a text -> the graph's inputs."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Loads the artifact `tokenizer`.

        `card` has `max_tokens`, `unknown`, the id for a text without tokens, and possibly `missing`, the cells that
        stand for a missing text; `input_column`, the source's name of the column; and `other_columns`.
        """
        from tokenizers import Tokenizer

        self._missing = frozenset(card.get("missing", ()))
        self._column, self._unused = card.get("input_column") or COLUMN, card.get("other_columns", [])
        self.columns = [self._column]
        tokenizer = Tokenizer.from_str(Path(artifacts["tokenizer"]).read_text(encoding="utf-8"))
        self._tokens = TokenEncoder(tokenizer, card["max_tokens"], card["unknown"])

    def __call__(self, rows: list[dict[str, Any]]) -> Encoded:
        """-> int32 `[rows, tokens of the longest]`, padded with 0.

        Texts are repaired as `clean` does by default; it rejects empty ones too.
        """
        column, problems, texts = self._column, list[Problem](), list[str]()
        if column != COLUMN:  # versions before this one had a column `text` for every source
            rows = [{column if name == COLUMN else name: cell for name, cell in row.items()} for row in rows]
        problems += check_columns(rows, [column], self._unused)
        absent = {problem.row for problem in problems if problem.column == column}
        for index, row in enumerate(rows):
            text, reason, remedy = self._repair(row.get(column))
            texts.append(text)
            if reason and index not in absent:
                problems.append(Problem(index, column, reason, remedy))
        ids = self._tokens.encode(texts)
        padded = np.zeros((len(ids), max(map(len, ids), default=1)), np.int32)
        for ids_of_row, tokens in zip(padded, ids, strict=True):
            ids_of_row[: len(tokens)] = tokens
        return Encoded(padded, [p._replace(is_answerable=p.column != column) for p in problems])

    def _repair(self, cell: Any) -> tuple[str, str, str]:
        """The repaired text; and, or empty, what is wrong with the cell and what to do."""
        if is_missing(cell) or (isinstance(cell, str) and cell.strip() in self._missing - {""}):
            value = "" if is_missing(cell) else f"{quote(cell)} stands for a "
            return "", f"{value}missing text", "send a text with at least one word"
        if not isinstance(cell, str):
            return "", f"{quote(cell)} is {name_kind(cell)}", "send a text"
        text = repair_text(replace_lone_surrogates(cell)).text
        if not text:
            problem = "nothing but white space, markup or control characters"
            return "", f"{quote(cell)} is empty: {problem}", "send a text with at least one word"
        return text, "", ""
