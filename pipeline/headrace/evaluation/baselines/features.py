"""Features of stored rows for the baselines: pooled pixels, TF-IDF of tokens, and the columns of tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.data.table.encoding.decode import tokens_by_column
from headrace.data.table.encoding.encode import MISSING, UNKNOWN

Encode: TypeAlias = "Callable[[NDArray[Any]], Any]"
"""Inputs of rows, as `read_inputs` returns them, -> `[rows, features]`: an array, or a SciPy sparse array."""

MAX_SIDE_PX = 16
MAX_TERMS = 2**17
MAX_WEIGHTS = 2**20
"""Terms times outputs of a linear model of texts, which bounds the memory of its solver (some 200 MB)."""
MIN_TEXTS = 2
"""Texts of the train rows that a term must occur in."""
MAX_DENSE_FEATURES = 256
MAX_CATEGORIES = 254
"""Of a column in gradient boosting, whose bins are counted in a byte; the most frequent ones."""
IMAGES_PER_PASS = 1024


def read_inputs(inputs: Any, rows: NDArray[np.intp], spec: Spec) -> NDArray[Any]:
    """Reads stored rows at their positions: token ids, columns, or small pixels in place of images."""
    if spec.modality != "image":
        return np.asarray(inputs[rows])
    starts = range(0, max(1, len(rows)), IMAGES_PER_PASS)
    return np.concatenate([pool_pixels(inputs[rows[start : start + IMAGES_PER_PASS]]) for start in starts])


def fit_linear_encoder(inputs: NDArray[Any], spec: Spec, transform: Json) -> Encode:
    """Fits the features of the linear models to the inputs of train rows."""
    if spec.modality == "image":
        return lambda pixels: pixels
    num_outputs = max(1, len(spec.classes) if len(spec.classes) > 2 else 1)  # noqa: PLR2004 two classes: one margin
    max_terms = min(MAX_TERMS, MAX_WEIGHTS // num_outputs)
    if spec.modality == "text":
        return TermEncoder(inputs, int(transform["vocabulary"]), max_terms)
    texts = list(tokens_by_column(transform).values())
    return TextColumnsEncoder(inputs, transform, texts, max_terms) if texts else TableEncoder(inputs, transform)


def pool_pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`[rows, height, width, channels]` -> means of blocks, in [0, 1], of at most MAX_SIDE_PX blocks a side."""
    pooled = images.astype(np.float32) / 255
    for axis in (1, 2):
        side = pooled.shape[axis]
        block = -(-side // MAX_SIDE_PX)
        starts = np.arange(0, side, block)
        shape = [1] * pooled.ndim
        shape[axis] = len(starts)
        sizes = np.diff(np.append(starts, side)).astype(np.float32).reshape(shape)
        pooled = np.add.reduceat(pooled, starts, axis=axis) / sizes
    return np.asarray(pooled.reshape(len(images), int(np.prod(pooled.shape[1:]))), np.float32)


class TermEncoder:
    """TF-IDF of tokens and of pairs of neighbouring tokens, with logarithmic counts and rows of length 1."""

    def __init__(self, ids: NDArray[np.int32], vocabulary: int, max_terms: int) -> None:
        """Chooses the terms by the number of texts they occur in; `ids` is padded with 0."""
        from sklearn.feature_extraction.text import TfidfTransformer

        self._base = vocabulary
        terms, num_texts = np.unique(self._occurrences(ids)[1], return_counts=True)
        is_usable = num_texts >= MIN_TEXTS
        terms, num_texts = terms[is_usable], num_texts[is_usable]
        self._terms = np.sort(terms[np.argsort(-num_texts, kind="stable")[:max_terms]])
        self._weights = TfidfTransformer(sublinear_tf=True).fit(self._count(ids)) if len(self._terms) else None

    def __call__(self, ids: NDArray[np.int32]) -> Any:
        """Token ids `[rows, tokens]` -> sparse `[rows, terms]`, float32."""
        return self._weights.transform(self._count(ids)) if self._weights else np.zeros((len(ids), 1), np.float32)

    def _occurrences(self, ids: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Row, term and count of every term of every row; a pair (a, b) is the term (a + 1) * vocabulary + b."""
        wide = ids.astype(np.int64)
        rows, places = np.nonzero(ids)
        pair_rows, pair_places = np.nonzero((ids[:, :-1] != 0) & (ids[:, 1:] != 0))
        pairs = (wide[pair_rows, pair_places] + 1) * self._base + wide[pair_rows, pair_places + 1]
        every_row, every_term = np.append(rows, pair_rows), np.append(wide[rows, places], pairs)
        width = (self._base + 1) * self._base
        distinct, counts = np.unique(every_row * width + every_term, return_counts=True)
        return distinct // width, distinct % width, counts

    def _count(self, ids: NDArray[np.int32]) -> Any:
        from scipy.sparse import csr_array

        rows, terms, counts = self._occurrences(ids)
        columns = np.minimum(np.searchsorted(self._terms, terms), len(self._terms) - 1)
        is_term = self._terms[columns] == terms
        entries = (counts[is_term].astype(np.float32), (rows[is_term], columns[is_term]))
        return csr_array(entries, shape=(len(ids), len(self._terms)))


class TableEncoder:
    """Standardized numbers with flags for missing ones, and one feature per category; a missing cell is a category."""

    def __init__(self, columns: NDArray[np.float32], transform: Json) -> None:
        """Fits medians, means and deviations; `columns` are stored inputs of train rows."""
        self._is_category = find_categorical(transform)
        self._is_number = ~self._is_category & ~find_tokens(transform)
        sizes = [entry.get("num_values", 0) for entry in transform["inputs"]]
        self._sizes = np.array(sizes, np.int64)[self._is_category]
        numbers = columns[:, self._is_number].astype(np.float64)
        is_missing = np.isnan(numbers)
        self._has_missing = is_missing.any(axis=0)
        present = np.where(is_missing.all(axis=0), 0, numbers)
        self._fill = np.nanmedian(present, axis=0) if present.size else np.zeros(numbers.shape[1])
        filled = np.where(is_missing, self._fill, numbers)
        self._mean, std = filled.mean(axis=0), filled.std(axis=0)
        self._std = np.where(std > 0, std, 1)

    def __call__(self, columns: NDArray[np.float32]) -> Any:
        """Stored inputs `[rows, columns]` -> `[rows, features]`, sparse if there are many."""
        from scipy.sparse import csr_array, hstack

        numbers, ids = columns[:, self._is_number].astype(np.float64), columns[:, self._is_category]
        is_missing = np.isnan(numbers)
        scaled = (np.where(is_missing, self._fill, numbers) - self._mean) / self._std
        flags = is_missing[:, self._has_missing].astype(np.float64)
        places = ids.astype(np.int64) + np.append(0, np.cumsum(self._sizes))[:-1]
        rows = np.repeat(np.arange(len(ids)), ids.shape[1])
        shape = (len(ids), int(self._sizes.sum()))
        hot = csr_array((np.ones(places.size), (rows, places.ravel())), shape=shape)
        features = hstack([csr_array(np.hstack([scaled, flags])), hot], format="csr")
        return features.toarray() if features.shape[1] <= MAX_DENSE_FEATURES else features


class TextColumnsEncoder:
    """The features of a table's columns, and TF-IDF of each text column."""

    def __init__(self, columns: NDArray[np.float32], transform: Json, texts: list[list[int]], max_terms: int) -> None:
        """`columns` are stored inputs of train rows, `texts` the inputs of each text column, which share the terms."""
        self._texts, base = texts, int(transform["vocabulary"])
        self._encode_table = TableEncoder(columns, transform)
        self._encode_texts = [
            TermEncoder(columns[:, indices].astype(np.int32), base, max_terms // len(texts)) for indices in texts
        ]

    def __call__(self, columns: NDArray[np.float32]) -> Any:
        """Stored inputs `[rows, columns]` -> sparse `[rows, features]`."""
        from scipy.sparse import csr_array, hstack

        texts = zip(self._texts, self._encode_texts, strict=True)
        terms = [encode(columns[:, indices].astype(np.int32)) for indices, encode in texts]
        return hstack([csr_array(part) for part in (self._encode_table(columns), *terms)], format="csr")


def find_tokens(transform: Json) -> NDArray[np.bool_]:
    """`[columns]`: whether a stored input of a table is a token of a text."""
    return np.array([entry["kind"] == "token" for entry in transform["inputs"]], bool)


def find_categorical(transform: Json) -> NDArray[np.bool_]:
    """`[columns]`: whether a stored input of a table is a category."""
    return np.array([entry["kind"] == "categorical" for entry in transform["inputs"]], bool)


def restore_missing(columns: NDArray[np.float32], transform: Json) -> NDArray[np.float32]:
    """Stored inputs of a table with NaN for missing categories, too; rare categories beyond MAX_CATEGORIES are one.

    Without texts.
    """
    is_category = find_categorical(transform)
    ids = columns[:, is_category]
    restored = columns.copy()
    restored[:, is_category] = np.where(ids == MISSING, np.nan, np.where(ids < MAX_CATEGORIES, ids, UNKNOWN))
    return restored[:, ~find_tokens(transform)]
