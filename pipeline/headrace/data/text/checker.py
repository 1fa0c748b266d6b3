"""What a look at texts finds: what cannot be read, what must be mended, which are the same or nearly so."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import CheckedBatch, ColumnFinding, Finding, Json, Repaired, Rows, Spec
from headrace.data.text.minhash import minhash, similarity
from headrace.data.text.repair import CONTROL, RepairedText, repair
from headrace.data.text.word_features import WordCounts, count_words, features, telling_words

BEGINNING = 100_000
"""Characters of a text that are compared and learned from; the rest of one so long costs more than it tells."""
EXCERPT = 600
"""Characters of a text that a picture shows."""


class TextExaminer:
    """Two texts are duplicates where they are the same once repaired, whatever white space parts their words.

    Near-duplicates share most of their shingles, capitals left aside.
    """

    similarity_threshold = 0.8

    def survey(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """The words that tell the classes apart; they are only needed to find label errors."""
        if "label_error" not in options or spec.task != "classification":
            return {}
        return {"words": telling_words(rows.map(partial(_count, options=options)))}

    def examine(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> CheckedBatch:
        """Repairs every text for itself and looks at the result; see contracts.CheckedBatch."""
        del spec
        texts = _texts(batch)
        mended = [_mended(text, options) for text in texts]
        findings = [
            Finding(row, *found)
            for row, (text, made) in enumerate(zip(texts, mended, strict=True))
            for found in _found(text, made, options)
        ]
        unusable = {found.row for found in findings if found.check in ("empty", "undecodable")}
        is_usable = np.array([row not in unusable and bool(made.text) for row, made in enumerate(mended)], bool)
        plain = [" ".join(made.text.split()) for made in mended]
        keys = [_key(text) if usable else b"" for text, usable in zip(plain, is_usable.tolist(), strict=True)]
        hashes, sketches = _compared(plain, options)
        told = _features([made.text for made in mended], survey)
        told[~is_usable] = np.nan
        return CheckedBatch(findings, np.array(keys, "S16"), hashes, sketches, told, _measures(plain, is_usable))

    def columns(self, spec: Spec, survey: Json, options: Json) -> list[ColumnFinding]:
        """None: texts have no columns to learn from."""
        del spec, survey, options
        return []

    def schema(self, raw: pa.Schema, spec: Spec) -> pa.Schema:
        """That of the raw rows."""
        del spec
        return raw

    def repair(self, batch: pa.RecordBatch, spec: Spec, survey: Json, options: Json) -> Repaired:
        """Repaired texts; `originals` where control characters or markup went out and something was left."""
        del spec, survey
        texts = _texts(batch)
        mended = [_mended(text, options) for text in texts]
        place = batch.schema.get_field_index("text")
        columns = batch.columns
        columns[place] = pa.array([made.text or text for text, made in zip(texts, mended, strict=True)], pa.string())
        # a text of which nothing is left is told as empty, and stays as it is
        is_repaired = [bool(made.text) and _is_repaired(made) for made in mended]
        originals = [text if repaired else None for text, repaired in zip(texts, is_repaired, strict=True)]
        return Repaired(pa.RecordBatch.from_arrays(columns, schema=batch.schema), originals)

    def similarity(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Estimated Jaccard similarity of the shingles of two texts."""
        return similarity(first, second)

    def picture(self, row: Json) -> str:
        """The beginning of a text; control characters are spelled out."""
        text = str(row.get("text") or "")
        excerpt = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text[:EXCERPT])
        return f'<p class="text">{html.escape(excerpt)}{"..." if len(text) > EXCERPT else ""}</p>'


def _texts(batch: pa.RecordBatch) -> list[str]:
    texts: list[str] = batch.column("text").fill_null("").to_pylist()
    return texts


def _mended(text: str, options: Json) -> RepairedText:
    return repair(text, controls="control_characters" in options, markup="markup" in options)


def _is_repaired(mended: RepairedText) -> bool:
    return bool(mended.controls or mended.num_tags or mended.num_entities)


def _count(batch: pa.RecordBatch, *, options: Json) -> WordCounts:
    texts = [_mended(text[:BEGINNING], options).text for text in _texts(batch)]
    return count_words(texts, batch.column("label").to_pylist())


def _found(text: str, mended: RepairedText, options: Json) -> Iterator[tuple[str, str]]:
    """Check and reason."""
    if not mended.text:
        if "empty" in options:
            yield "empty", f"nothing but white space{' and what is no text' if text.strip() else ''}"
        return
    num_broken = text.count("\ufffd")
    if num_broken and "undecodable" in options and num_broken / len(text) > options["undecodable"]["max_share"]:
        yield "undecodable", f"{num_broken} of {len(text)} characters cannot be decoded"
    if mended.controls:
        names = ", ".join(f"U+{ord(character):04X}" for character in sorted(set(mended.controls))[:5])
        yield "control_characters", f"{len(mended.controls)} control characters ({names})"
    if mended.num_tags or mended.num_entities:
        yield "markup", f"{mended.num_tags} HTML tags, {mended.num_entities} entities"


def _key(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _compared(plain: list[str], options: Json) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:

    if "near_duplicate" not in options or not plain:
        return np.empty((len(plain), 0), np.uint64), np.empty((len(plain), 0), np.uint8)
    return minhash([text[:BEGINNING].casefold() for text in plain])


def _features(texts: list[str], survey: Json) -> NDArray[np.float32]:

    if "words" not in survey:
        return np.empty((len(texts), 0), np.float32)
    return features([text[:BEGINNING] for text in texts], survey["words"])


def _measures(plain: list[str], is_usable: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:

    counts = {"characters": [len(text) for text in plain], "words": [text.count(" ") + 1 for text in plain]}
    return {name: np.where(is_usable, values, np.nan).astype(np.float32) for name, values in counts.items()}
