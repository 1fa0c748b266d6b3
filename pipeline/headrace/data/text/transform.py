"""Texts of any length to token ids, by a tokenizer that train rows alone have shaped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.text.tokenizer import from_file, load_cached_tokenizer, train_tokenizer
from headrace.errors import DataError

CHARACTERS_PER_TOKEN = 64
"""A text is cut to so many characters for each token that is kept: the rest of a very long one is not even split."""


class TextTransform:
    """Learns a vocabulary of pieces of words; makes ids of at most `max_tokens` of them."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Learns `tokenizer` from train rows, or takes that of a file.

        Options: `vocabulary` (ids at most), `max_tokens` (of one text), `lowercase` (not of a file's tokenizer, which
        has its own rules), `tokenizer` (a file's path, or null). Raises ConfigError for options that cannot be used
        and DataError where there are no train rows.
        """
        del spec
        max_tokens = options["max_tokens"]
        if options["tokenizer"] is not None:
            known = from_file(options["tokenizer"], max_tokens)
        else:
            known = train_tokenizer(_all_texts(rows), options["vocabulary"], lowercase=options["lowercase"])
        return {
            "input_shape": [max_tokens],
            "vocabulary": known.vocabulary,
            "max_tokens": max_tokens,
            "lowercase": options["lowercase"],
            "unknown": known.unknown,
            "tokenizer": known.tokenizer,
        }

    def apply(self, batch: pa.RecordBatch, transform: Json) -> list[NDArray[np.int32]]:
        """Ids of each row, at least one and at most `max_tokens`; an empty text is one unknown token."""
        most = transform["max_tokens"]
        tokenizer = load_cached_tokenizer(json.dumps(transform["tokenizer"]), most)
        texts = [text[: most * CHARACTERS_PER_TOKEN] for text in _texts(batch)]
        encoded = tokenizer.encode_batch_fast(texts)
        return [np.array(row.ids or [transform["unknown"]], np.int32) for row in encoded]


def _texts(batch: pa.RecordBatch) -> list[str]:
    texts: list[str] = batch.column("text").fill_null("").to_pylist()
    return texts


def _all_texts(rows: Rows) -> Iterator[str]:
    num_rows = 0
    for texts in rows.map(_texts):
        num_rows += len(texts)
        yield from texts
    if not num_rows:
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
