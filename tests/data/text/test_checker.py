import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import CheckedBatch, Finding, Repaired, RowChecker, Spec
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.text.checker import BEGINNING, TextChecker
from headrace.data.text.rows import text_schema

SPEC = Spec(modality="text", task="classification", source="x", format="text_folder", num_rows=0)
OPTIONS: dict[str, Any] = {name: rule.options for name, rule in resolve_rules({}, "text").items()}
CHECKER: RowChecker = TextChecker()


def batch_of(*texts: str, labels: list[str | None] | None = None) -> pa.RecordBatch:
    labels = labels or ["a", "b"] * len(texts)
    rows = [
        {"row_id": f"{row:032x}", "text": text, "label": label}
        for row, (text, label) in enumerate(zip(texts, labels, strict=False))
    ]
    return pa.RecordBatch.from_pylist(rows, text_schema(["extra"]))


class Batches:
    """Rows of the given batches."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def check(*texts: str, **options: Any) -> CheckedBatch:
    return CHECKER.check_batch(batch_of(*texts), SPEC, {}, OPTIONS | options)


def repair(*texts: str) -> Repaired:
    return CHECKER.repair(batch_of(*texts), SPEC, {}, OPTIONS)


def test_check_batch_reports_faults_of_single_rows() -> None:
    checked = check("fine", " \n", "<br/>", "bad \ufffd\ufffd", "a\x00b\ufeff", "x &amp; <b>y</b>")
    assert checked.findings == [
        Finding(1, "empty", "nothing but white space"),
        Finding(2, "empty", "nothing but white space and markup or control characters"),
        Finding(3, "undecodable", "2 of 6 characters cannot be decoded"),
        Finding(4, "control_characters", "2 control characters (U+0000, U+FEFF)"),
        Finding(5, "markup", "2 HTML tags, 1 entities"),
    ]
    assert [key == b"" for key in checked.keys.tolist()] == [False, True, True, True, False, False]


def test_check_batch_undecodable_by_fraction() -> None:
    text = "good text with one \ufffd"
    assert [finding.check for finding in check(text).findings] == ["undecodable"]
    assert check(text, undecodable={"max_share": 0.1}).findings == []
    assert check(text, undecodable={"max_share": 0.1}).keys[0] != b""


def test_check_batch_with_checks_off_finds_and_repairs_nothing() -> None:
    options = {name: OPTIONS[name] for name in ("duplicate", "undecodable")}
    checked = CHECKER.check_batch(batch_of("", "a\x00", "<b>a</b>"), SPEC, {}, options)
    assert checked.findings == []
    assert checked.keys[0] == b""
    assert len(set(checked.keys.tolist())) == 3
    assert checked.hashes.shape == (3, 0)
    assert checked.sketches.shape == (3, 0)


def test_keys_are_those_of_repaired_text_ignoring_white_space() -> None:
    keys = check("an  example\n", "an example", "<i>an</i> example\x00", "An example", "an exam ple").keys
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys.tolist())) == 3  # capitals may matter


def test_near_duplicates_share_hashes_and_are_similar() -> None:
    rng = random.Random(0)
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(3)]
    texts.append(texts[0].upper().replace("SEVEN", "SVEN", 1))
    checked = check(*texts)
    assert checked.hashes.shape[0] == 4
    is_match = (checked.hashes[[0, 0, 0]] == checked.hashes[1:]).any(axis=1)
    similarity = CHECKER.similarity(checked.sketches[[0, 0, 0]], checked.sketches[1:])
    assert is_match[2]
    assert similarity[2] > CHECKER.similarity_threshold > max(similarity[:2])


def test_measures_are_of_usable_texts() -> None:
    measures = check("two  words", "", "x").measures
    np.testing.assert_array_equal(measures["characters"], np.array([9, np.nan, 1], np.float32))
    np.testing.assert_array_equal(measures["words"], np.array([2, np.nan, 1], np.float32))


def test_features_use_the_words_of_the_survey() -> None:
    batch = batch_of("win cash", "see you", "win more", "see them", "", labels=["spam", "ham", "spam", "ham", "ham"])
    survey = CHECKER.survey(Batches(batch), SPEC, OPTIONS)
    assert survey == CHECKER.survey(Batches(batch.slice(3), batch.slice(0, 3)), SPEC, OPTIONS)
    features = CHECKER.check_batch(batch, SPEC, survey, OPTIONS).features
    assert features.dtype == np.float32
    assert np.isnan(features[4]).all()
    assert np.isfinite(features[:4]).all()
    assert (features[0] != features[1]).any()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_survey_is_empty_unless_label_errors_are_checked(task: Any) -> None:
    spec = SPEC.model_copy(update={"task": task})
    options = {name: values for name, values in OPTIONS.items() if name != "label_error" or task == "regression"}
    assert CHECKER.survey(Batches(batch_of("a", "b")), spec, options) == {}
    assert CHECKER.check_batch(batch_of("a", "b"), spec, {}, options).features.shape == (2, 0)


def test_repair_keeps_schema_rows_and_originals() -> None:
    repaired = repair("  fine\r\n", "<b>bold</b>", "a\x00")
    assert repaired.batch.schema == CHECKER.clean_schema(text_schema(["extra"]), SPEC) == text_schema(["extra"])
    assert repaired.batch.column("text").to_pylist() == ["fine", "bold", "a"]
    assert repaired.batch.column("label").to_pylist() == ["a", "b", "a"]
    assert repaired.originals == [None, "<b>bold</b>", "a\x00"]


def test_repaired_texts_have_the_same_key_and_nothing_more_to_repair() -> None:
    texts = ["I\x92m <b>here</b>", "cafe\u0301 \ufeff", "x &amp;amp; y"]
    once = repair(*texts).batch
    assert CHECKER.check_batch(once, SPEC, {}, OPTIONS).keys.tolist()[:2] == check(*texts).keys.tolist()[:2]
    assert CHECKER.repair(once, SPEC, {}, OPTIONS).originals[:2] == [None, None]


def test_check_batch_is_the_same_in_any_batch() -> None:
    texts = ["one", "", "two words", "<p>three</p>"]
    whole = check(*texts)
    for row, text in enumerate(texts):
        alone = check(text)
        assert alone.keys[0] == whole.keys[row]
        np.testing.assert_array_equal(alone.hashes[0], whole.hashes[row])
        np.testing.assert_array_equal(alone.sketches[0], whole.sketches[row])


def test_check_batch_of_no_rows_has_no_rows() -> None:
    checked = CHECKER.check_batch(batch_of(), SPEC, {"words": [3]}, OPTIONS)
    assert {len(checked.keys), len(checked.hashes), len(checked.sketches), len(checked.features)} == {0}


def test_check_batch_compares_the_beginning_of_a_very_long_text() -> None:
    checked = check("ab " * BEGINNING, "ab " * BEGINNING + "end")
    assert checked.keys[0] != checked.keys[1]
    assert (checked.sketches[0] == checked.sketches[1]).all()


def test_check_columns_finds_nothing() -> None:
    assert CHECKER.check_columns(SPEC, {}, OPTIONS) == []


def test_render_html_is_safe_and_short() -> None:
    assert CHECKER.render_html({"text": "<script>\x00&"}) == '<p class="text">&lt;script&gt;\\x00&amp;</p>'
    assert CHECKER.render_html({"text": None}) == '<p class="text"></p>'
    assert len(CHECKER.render_html({"text": "x" * 10_000})) < 700
