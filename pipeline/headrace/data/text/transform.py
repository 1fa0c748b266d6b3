"""Converts texts to token ids, with a tokenizer trained on train rows or loaded from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json, Rows, Spec
from headrace.data.text.rows import texts_of
from headrace.data.text.token_ids import CHARACTERS_PER_TOKEN, TokenEncoder
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


class TextLength(NamedTuple):
    """How long the texts of a column are."""

    max_tokens: int
    """Tokens of each text that are used; 0 if no train row has a text."""
    cut_share: float
    """Fraction of the train texts that are longer, by a sample."""


class FittedTexts(NamedTuple):
    """A tokenizer for some columns, and the lengths of their texts."""

    tokenizer: TrainedTokenizer
    lengths: dict[str, TextLength]
    """By column."""


class TextTransform:
    """Implements contracts.Transform for texts: at most `max_tokens` subword ids per text."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Fits to train rows; for the options and errors see `fit_texts`."""
        del spec
        fitted = fit_texts(rows, ["text"], options)
        length = fitted.lengths["text"]
        return {
            "input_shape": [length.max_tokens],
            "vocabulary": fitted.tokenizer.vocabulary,
            "max_tokens": length.max_tokens,
            "cut_share": length.cut_share,
            "lowercase": options["lowercase"],
            "unknown": fitted.tokenizer.unknown,
            "tokenizer": fitted.tokenizer.tokenizer,
        }

    def apply(self, batch: pa.RecordBatch, transform: Json) -> list[NDArray[np.int32]]:
        """Returns 1 to `max_tokens` ids per row; an empty text is one unknown token."""
        encoder = make_token_encoder(transform, transform["max_tokens"])
        return [np.array(ids, np.int32) for ids in encoder.encode(texts_of(batch))]


def fit_texts(rows: Rows, columns: Sequence[str], options: Json) -> FittedTexts:
    """Trains one tokenizer on the train rows' texts in all `columns`, or loads it from a file.

    Options: `vocabulary` (maximum number of ids), `max_tokens` (per text, or auto), `lowercase` (ignored for a
    tokenizer file), `tokenizer` (path of a file, or None). Raises ConfigError for invalid options and DataError if
    there are no train rows.
    """
    max_tokens, samples = options["max_tokens"], {name: _TextSample() for name in columns}
    texts = _all_texts(rows, samples)
    if options["tokenizer"] is not None:
        trained = load_tokenizer_file(options["tokenizer"], MAX_AUTO if max_tokens == "auto" else max_tokens)
        for _ in texts:
            pass
    else:
        trained = train_tokenizer(texts, options["vocabulary"], lowercase=options["lowercase"])
    lengths = {name: _count_tokens(sample.texts(), trained) for name, sample in samples.items()}
    return FittedTexts(trained, {name: _choose_length(counts, max_tokens) for name, counts in lengths.items()})


def make_token_encoder(transform: Json, max_tokens: int) -> TokenEncoder:
    """Returns the encoder of texts by the tokenizer of `transform.json`; raises DataError if it is corrupt."""
    tokenizer = load_cached_tokenizer(json.dumps(transform["tokenizer"]), max_tokens)
    return TokenEncoder(tokenizer, max_tokens, transform["unknown"])


def _choose_length(lengths: NDArray[np.int64], max_tokens: int | str) -> TextLength:
    """Chooses the number of tokens that is enough for most texts, unless it is set."""
    if not len(lengths):
        return TextLength(0, 0.0)
    if not isinstance(max_tokens, int):
        percentile = int(np.percentile(lengths, AUTO_PERCENTILE, method="inverted_cdf"))
        max_tokens = min(MAX_AUTO, max(MIN_AUTO, -(-percentile // MULTIPLE) * MULTIPLE))
    return TextLength(max_tokens, round(float((lengths > max_tokens).mean()), 3))


class _TextSample:
    """A sample of texts that does not depend on their order: those with the smallest hashes."""

    def __init__(self) -> None:
        self._texts: list[tuple[bytes, str]] = []

    def add(self, text: str) -> None:
        beginning = text[: MAX_AUTO * CHARACTERS_PER_TOKEN]
        self._texts.append((blake2b(beginning.encode("utf-8", "replace"), digest_size=8).digest(), beginning))
        if len(self._texts) > 4 * MAX_SAMPLED:
            self._texts = sorted(self._texts)[:MAX_SAMPLED]

    def texts(self) -> list[str]:
        return [text for _, text in sorted(self._texts)[:MAX_SAMPLED]]


def _count_tokens(texts: list[str], trained: TrainedTokenizer) -> NDArray[np.int64]:
    """`[texts]`: tokens without a limit; an empty text has one."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(trained.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([max(1, len(row.ids)) for row in tokenizer.encode_batch_fast(texts)], np.int64)


def _all_texts(rows: Rows, samples: dict[str, _TextSample]) -> Iterator[str]:
    """Yields the texts of all columns of `samples`, and samples them."""
    num_rows = 0
    for num_batch_rows, texts in rows.map(partial(_read_texts, columns=list(samples))):
        num_rows += num_batch_rows
        for name, cells in texts.items():
            for text in cells:
                samples[name].add(text)
                yield text
    if not num_rows:
        raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")


def _read_texts(batch: pa.RecordBatch, columns: list[str]) -> tuple[int, dict[str, list[str]]]:
    """Number of rows, and the texts of each column without the missing ones."""
    return batch.num_rows, {name: batch.column(name).drop_null().to_pylist() for name in columns}
