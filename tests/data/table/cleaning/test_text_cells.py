import pyarrow as pa

from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.text_cells import (
    check_texts,
    compute_text_features,
    find_words,
    repair_texts,
)
from headrace.data.text.word_features import NUM_STYLE_FEATURES
from tests.data.table.cleaning.helpers import Batches, spec_of, table_of

CELLS = TypedColumn(pa.array([" fine ", None, "<b>bold</b> &amp; new", "a\x00b", "<br>", "a < b"]), "text")
CHECKS = {"control_characters": {}, "markup": {}}


def test_check_texts_names_the_column_and_what_is_wrong() -> None:
    assert [tuple(finding)[:3] for finding in check_texts("body", CELLS, CHECKS)] == [
        (2, "markup", "body: 2 HTML tags, 1 entities"),
        (3, "control_characters", "body: 1 control characters (U+0000)"),
        (4, "markup", "body: 1 HTML tags, 0 entities"),
    ]
    assert list(check_texts("body", CELLS, {})) == []


def test_repair_texts_leaves_a_text_of_nothing_but_markup_missing() -> None:
    repaired, changed = repair_texts(CELLS, CHECKS)
    assert repaired.to_pylist() == ["fine", None, "bold & new", "ab", None, "a < b"]
    assert changed == [2, 3, 4]
    repaired, changed = repair_texts(CELLS, {"markup": {}})
    assert (repaired[3].as_py(), changed) == ("a\x00b", [2, 4])


def test_words_of_all_texts_are_features() -> None:
    columns = {"title": ["a plot", None] * 30, "n": list(range(60)), "body": ["great film", "awful film"] * 30}
    batch, spec = (
        table_of(columns, ["x", "y"] * 30).combine_chunks().to_batches()[0],
        spec_of(title="text", n="numeric", body="text"),
    )
    words = find_words(Batches(batch), spec)
    features = compute_text_features(batch, spec, words)
    assert features.shape == (60, len(words) + NUM_STYLE_FEATURES)
    assert features[0, : len(words)].sum() == 3  # a, plot, great: film says nothing
    assert features[1, : len(words)].sum() == 1
    assert find_words(Batches(batch), spec_of(n="numeric")) == []
    assert compute_text_features(batch, spec, []).shape == (60, 0)
