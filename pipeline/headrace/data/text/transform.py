"""Converts texts to token ids, with a tokenizer trained on train rows or loaded from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.text.rows import texts_of
from headrace.data.text.serving import CHARACTERS_PER_TOKEN
from headrace.data.text.tokenizer import (
    TrainedTokenizer,
    load_cached_tokenizer,
    load_tokenizer_file,
    train_tokenizer,
)
from headrace.errors import DataError

MAX_SAMPLED = 1000
"""Train texts whose lengths are measured: the share of longer ones is off by a percent."""
AUTO_PERCENTILE = 95
MIN_AUTO, MAX_AUTO = 16, 512
"""Tokens that `auto` chooses from."""
MULTIPLE = 8


class TextTransform:
    """Implements contracts.Transform for texts: at most `max_tokens` subword ids per text."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Trains `tokenizer` on train rows, or loads it from a file.

        Options: `vocabulary` (maximum number of ids), `max_tokens` (per text, or auto), `lowercase` (ignored for a
        tokenizer file), `tokenizer` (path of a file, or None). `cut_share` is the fraction of the train texts that
        are longer, by a sample. Raises ConfigError for invalid options and DataError if there are no train rows.
        """
        del spec
        max_tokens = options["max_tokens"]
        sample = _TextSample()
        if options["tokenizer"] is not None:
            trained = load_tokenizer_file(options["tokenizer"], MAX_AUTO if max_tokens == "auto" else max_tokens)
            for _ in sample.watch(_all_texts(rows)):
                pass
        else:
            texts = sample.watch(_all_texts(rows))
            trained = train_tokenizer(texts, options["vocabulary"], lowercase=options["lowercase"])
        lengths = _count_tokens(sample.texts(), trained)
        if max_tokens == "auto":
            percentile = int(np.percentile(lengths, AUTO_PERCENTILE, method="inverted_cdf"))
            max_tokens = min(MAX_AUTO, max(MIN_AUTO, -(-percentile // MULTIPLE) * MULTIPLE))
        return {
            "input_shape": [max_tokens],
            "vocabulary": trained.vocabulary,
            "max_tokens": max_tokens,
            "cut_share": round(float((lengths > max_tokens).mean()), 3),
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


class _TextSample:
    """A sample of texts that does not depend on their order: those with the smallest hashes."""

    def __init__(self) -> None:
        self._texts: list[tuple[bytes, str]] = []

    def watch(self, texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            beginning = text[: MAX_AUTO * CHARACTERS_PER_TOKEN]
            self._texts.append((blake2b(beginning.encode("utf-8", "replace"), digest_size=8).digest(), beginning))
            if len(self._texts) > 4 * MAX_SAMPLED:
                self._texts = sorted(self._texts)[:MAX_SAMPLED]
            yield text

    def texts(self) -> list[str]:
        return [text for _, text in sorted(self._texts)[:MAX_SAMPLED]]


def _count_tokens(texts: list[str], trained: TrainedTokenizer) -> NDArray[np.int64]:
    """`[texts]`: tokens without a limit; an empty text has one."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(trained.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([max(1, len(row.ids)) for row in tokenizer.encode_batch_fast(texts)], np.int64)


def _all_texts(rows: Rows) -> Iterator[str]:
    num_rows = 0
    for texts in rows.map(texts_of):
        num_rows += len(texts)
        yield from texts
    if not num_rows:
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
