"""Converts texts to token ids, with a tokenizer trained on train rows or loaded from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.text.rows import texts_of
from headrace.data.text.serving import CHARACTERS_PER_TOKEN
from headrace.data.text.tokenizer import load_cached_tokenizer, load_tokenizer_file, train_tokenizer
from headrace.errors import DataError


class TextTransform:
    """Implements contracts.Transform for texts: at most `max_tokens` subword ids per text."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Trains `tokenizer` on train rows, or loads it from a file.

        Options: `vocabulary` (maximum number of ids), `max_tokens` (per text), `lowercase` (ignored for a tokenizer
        file), `tokenizer` (path of a file, or None). Raises ConfigError for invalid options and DataError if there
        are no train rows.
        """
        del spec
        max_tokens = options["max_tokens"]
        if options["tokenizer"] is not None:
            trained = load_tokenizer_file(options["tokenizer"], max_tokens)
        else:
            trained = train_tokenizer(_all_texts(rows), options["vocabulary"], lowercase=options["lowercase"])
        return {
            "input_shape": [max_tokens],
            "vocabulary": trained.vocabulary,
            "max_tokens": max_tokens,
            "lowercase": options["lowercase"],
            "unknown": trained.unknown,
            "tokenizer": trained.tokenizer,
        }

    def apply(self, batch: pa.RecordBatch, transform: Json) -> list[NDArray[np.int32]]:
        """Returns 1 to `max_tokens` ids per row; an empty text is one unknown token."""
        max_tokens = transform["max_tokens"]
        tokenizer = load_cached_tokenizer(json.dumps(transform["tokenizer"]), max_tokens)
        texts = [text[: max_tokens * CHARACTERS_PER_TOKEN] for text in texts_of(batch)]
        encoded = tokenizer.encode_batch_fast(texts)
        return [np.array(row.ids or [transform["unknown"]], np.int32) for row in encoded]


def _all_texts(rows: Rows) -> Iterator[str]:
    num_rows = 0
    for texts in rows.map(texts_of):
        num_rows += len(texts)
        yield from texts
    if not num_rows:
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
