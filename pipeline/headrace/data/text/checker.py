"""Checks and repair of text rows: empty and undecodable texts, markup, and duplicates."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.text.minhash import compute_minhash, estimate_similarity
from headrace.data.text.repair import CONTROL, RepairedText, repair_text
from headrace.data.text.rows import texts_of
from headrace.data.text.word_features import WordCounts, compute_word_features, count_words, select_words

BEGINNING = 100_000
"""Characters of a text that near-duplicate search and word features use; more would cost time and change little."""
EXCERPT = 600
"""Characters of a text shown in the report."""


class TextChecker:
    """Implements contracts.RowChecker: texts are duplicates if equal after repair, ignoring differences in white space.

    Near-duplicates share most of their shingles, ignoring case.
    """

    similarity_threshold = 0.8

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Selects the words that depend most on the label, if label errors are checked."""
        if "label_error" not in options or spec.task != "classification":
            return {}
        return {"words": select_words(rows.map(partial(_count, options=options)))}

    def check_batch(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Checks every text after repair; see contracts.CheckedBatch."""
        del spec
        texts = texts_of(batch)
        repaired = [_repair(text, options) for text in texts]
        findings = [
            Finding(row, check, reason)
            for row, (text, result) in enumerate(zip(texts, repaired, strict=True))
            for check, reason in _check(text, result, options)
        ]
        unusable = {finding.row for finding in findings if finding.check in ("empty", "undecodable")}
        is_usable = np.array([row not in unusable and bool(result.text) for row, result in enumerate(repaired)], bool)
        plain = [" ".join(result.text.split()) for result in repaired]
        keys = [_key(text) if usable else b"" for text, usable in zip(plain, is_usable.tolist(), strict=True)]
        hashes, sketches = _near_duplicate_hashes(plain, options)
        features = _features([result.text for result in repaired], survey)
        features[~is_usable] = np.nan
        return CheckedBatch(findings, np.array(keys, "S16"), hashes, sketches, features, _measures(plain, is_usable))

    def check_columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """Returns nothing: texts have no feature columns."""
        del spec, survey, options
        return []

    def clean_schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """The raw schema."""
        del spec
        return raw

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Repairs every text; `originals` holds texts that lost control characters or markup and are not empty."""
        del spec, survey
        texts = texts_of(batch)
        repaired = [_repair(text, options) for text in texts]
        columns = batch.columns
        # a text that repair would empty stays unchanged; the check `empty` reports it
        clean = [result.text or text for text, result in zip(texts, repaired, strict=True)]
        columns[batch.schema.get_field_index("text")] = pa.array(clean, pa.string())
        originals = [text if _is_repaired(result) else None for text, result in zip(texts, repaired, strict=True)]
        return Repaired(pa.RecordBatch.from_arrays(columns, schema=batch.schema), originals)

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Estimates the Jaccard similarity of the shingles of two texts."""
        return estimate_similarity(first, second)

    def render_html(self, row: Json) -> str:
        """The beginning of a text, with control characters escaped."""
        text = str(row.get("text") or "")
        excerpt = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text[:EXCERPT])
        return f'<p class="text">{html.escape(excerpt)}{"..." if len(text) > EXCERPT else ""}</p>'


def _repair(text: str, options: Json) -> RepairedText:
    return repair_text(text, controls="control_characters" in options, markup="markup" in options)


def _is_repaired(result: RepairedText) -> bool:
    return bool(result.text) and result.is_changed


def _count(batch: pa.RecordBatch, *, options: Json) -> WordCounts:
    texts = [_repair(text[:BEGINNING], options).text for text in texts_of(batch)]
    return count_words(texts, batch.column("label").to_pylist())


def _check(text: str, repaired: RepairedText, options: Json) -> Iterator[tuple[str, str]]:
    """Yields check and reason."""
    if not repaired.text:
        if "empty" in options:
            yield "empty", f"nothing but white space{' and markup or control characters' if text.strip() else ''}"
        return
    num_broken = text.count("\ufffd")
    if num_broken and "undecodable" in options and num_broken / len(text) > options["undecodable"]["max_share"]:
        yield "undecodable", f"{num_broken} of {len(text)} characters cannot be decoded"
    yield from repaired.describe()


def _key(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _near_duplicate_hashes(plain: list[str], options: Json) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    if "near_duplicate" not in options or not plain:
        return np.empty((len(plain), 0), np.uint64), np.empty((len(plain), 0), np.uint8)
    return compute_minhash([text[:BEGINNING].casefold() for text in plain])


def _features(texts: list[str], survey: Json) -> NDArray[np.float32]:
    if "words" not in survey:
        return np.empty((len(texts), 0), np.float32)
    return compute_word_features([text[:BEGINNING] for text in texts], survey["words"])


def _measures(plain: list[str], is_usable: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    counts = {"characters": [len(text) for text in plain], "words": [text.count(" ") + 1 for text in plain]}
    return {name: np.where(is_usable, values, np.nan).astype(np.float32) for name, values in counts.items()}
