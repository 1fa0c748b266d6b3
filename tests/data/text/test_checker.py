import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import CheckedBatch, Finding, Repaired, RowChecker, Spec
from headrace.data.cleaning.checks import rules
from headrace.data.text.checker import BEGINNING, TextExaminer
from headrace.data.text.rows import text_schema

SPEC = Spec(modality="text", task="classification", source="x", format="text_folder", num_rows=0)
OPTIONS: dict[str, Any] = {name: rule.options for name, rule in rules({}, "text").items()}
EXAMINER: RowChecker = TextExaminer()


def batch_of(*texts: str, labels: list[str | None] | None = None) -> pa.RecordBatch:
    labels = labels or ["a", "b"] * len(texts)
    rows = [
        {"row_id": f"{row:032x}", "text": text, "label": label}
        for row, (text, label) in enumerate(zip(texts, labels, strict=False))
    ]
    return pa.RecordBatch.from_pylist(rows, text_schema(["extra"]))


class Here:
    """Rows of batches that are at hand."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def examined(*texts: str, **options: Any) -> CheckedBatch:
    return EXAMINER.examine(batch_of(*texts), SPEC, {}, OPTIONS | options)


def repaired(*texts: str) -> Repaired:
    return EXAMINER.repair(batch_of(*texts), SPEC, {}, OPTIONS)


def test_examine_finds_what_single_rows_have() -> None:
    found = examined("fine", " \n", "<br/>", "bad \ufffd\ufffd", "a\x00b\ufeff", "x &amp; <b>y</b>")
    assert found.findings == [
        Finding(1, "empty", "nothing but white space"),
        Finding(2, "empty", "nothing but white space and what is no text"),
        Finding(3, "undecodable", "2 of 6 characters cannot be decoded"),
        Finding(4, "control_characters", "2 control characters (U+0000, U+FEFF)"),
        Finding(5, "markup", "2 HTML tags, 1 entities"),
    ]
    assert [key == b"" for key in found.keys.tolist()] == [False, True, True, True, False, False]


def test_examine_undecodable_by_its_share() -> None:
    text = "good text with one \ufffd"
    assert [found.check for found in examined(text).findings] == ["undecodable"]
    assert examined(text, undecodable={"max_share": 0.1}).findings == []
    assert examined(text, undecodable={"max_share": 0.1}).keys[0] != b""


def test_examine_checks_that_are_off_find_and_mend_nothing() -> None:
    options = {name: OPTIONS[name] for name in ("duplicate", "undecodable")}
    found = EXAMINER.examine(batch_of("", "a\x00", "<b>a</b>"), SPEC, {}, options)
    assert found.findings == []
    assert found.keys[0] == b""
    assert len(set(found.keys.tolist())) == 3
    assert found.hashes.shape == (3, 0)
    assert found.sketches.shape == (3, 0)


def test_keys_are_of_the_repaired_text_whatever_its_white_space() -> None:
    keys = examined("an  example\n", "an example", "<i>an</i> example\x00", "An example", "an exam ple").keys
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys.tolist())) == 3  # capitals may matter


def test_near_duplicates_meet_and_resemble() -> None:
    rng = random.Random(0)
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(3)]
    texts.append(texts[0].upper().replace("SEVEN", "SVEN", 1))
    found = examined(*texts)
    assert found.hashes.shape[0] == 4
    meets = (found.hashes[[0, 0, 0]] == found.hashes[1:]).any(axis=1)
    likeness = EXAMINER.similarity(found.sketches[[0, 0, 0]], found.sketches[1:])
    assert meets[2]
    assert likeness[2] > EXAMINER.similarity_threshold > max(likeness[:2])


def test_measures_are_of_usable_texts() -> None:
    measures = examined("two  words", "", "x").measures
    np.testing.assert_array_equal(measures["characters"], np.array([9, np.nan, 1], np.float32))
    np.testing.assert_array_equal(measures["words"], np.array([2, np.nan, 1], np.float32))


def test_features_come_from_the_words_of_the_survey() -> None:
    batch = batch_of("win cash", "see you", "win more", "see them", "", labels=["spam", "ham", "spam", "ham", "ham"])
    survey = EXAMINER.survey(Here(batch), SPEC, OPTIONS)
    assert survey == EXAMINER.survey(Here(batch.slice(3), batch.slice(0, 3)), SPEC, OPTIONS)
    made = EXAMINER.examine(batch, SPEC, survey, OPTIONS).features
    assert made.dtype == np.float32
    assert np.isnan(made[4]).all()
    assert np.isfinite(made[:4]).all()
    assert (made[0] != made[1]).any()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_survey_is_only_made_where_label_errors_are_looked_for(task: Any) -> None:
    spec = SPEC.model_copy(update={"task": task})
    options = {name: values for name, values in OPTIONS.items() if name != "label_error" or task == "regression"}
    assert EXAMINER.survey(Here(batch_of("a", "b")), spec, options) == {}
    assert EXAMINER.examine(batch_of("a", "b"), spec, {}, options).features.shape == (2, 0)


def test_repair_keeps_schema_rows_and_originals() -> None:
    made = repaired("  fine\r\n", "<b>bold</b>", "a\x00")
    assert made.batch.schema == EXAMINER.schema(text_schema(["extra"]), SPEC) == text_schema(["extra"])
    assert made.batch.column("text").to_pylist() == ["fine", "bold", "a"]
    assert made.batch.column("label").to_pylist() == ["a", "b", "a"]
    assert made.originals == [None, "<b>bold</b>", "a\x00"]


def test_repaired_texts_have_the_same_key_and_nothing_more_to_repair() -> None:
    texts = ["I\x92m <b>here</b>", "cafe\u0301 \ufeff", "x &amp;amp; y"]
    once = repaired(*texts).batch
    assert EXAMINER.examine(once, SPEC, {}, OPTIONS).keys.tolist()[:2] == examined(*texts).keys.tolist()[:2]
    assert EXAMINER.repair(once, SPEC, {}, OPTIONS).originals[:2] == [None, None]


def test_examine_is_the_same_in_any_batch() -> None:
    texts = ["one", "", "two words", "<p>three</p>"]
    whole = examined(*texts)
    for row, text in enumerate(texts):
        alone = examined(text)
        assert alone.keys[0] == whole.keys[row]
        np.testing.assert_array_equal(alone.hashes[0], whole.hashes[row])
        np.testing.assert_array_equal(alone.sketches[0], whole.sketches[row])


def test_examine_of_no_rows_has_no_rows() -> None:
    found = EXAMINER.examine(batch_of(), SPEC, {"words": [3]}, OPTIONS)
    assert {len(found.keys), len(found.hashes), len(found.sketches), len(found.features)} == {0}


def test_examine_compares_the_beginning_of_a_very_long_text() -> None:
    found = examined("ab " * BEGINNING, "ab " * BEGINNING + "end")
    assert found.keys[0] != found.keys[1]
    assert (found.sketches[0] == found.sketches[1]).all()


def test_examiner_has_no_columns_to_judge() -> None:
    assert EXAMINER.columns(SPEC, {}, OPTIONS) == []


def test_picture_is_safe_and_short() -> None:
    assert EXAMINER.picture({"text": "<script>\x00&"}) == '<p class="text">&lt;script&gt;\\x00&amp;</p>'
    assert EXAMINER.picture({"text": None}) == '<p class="text"></p>'
    assert len(EXAMINER.picture({"text": "x" * 10_000})) < 700
