import pyarrow as pa

from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.table.cleaning.text_cells import check_texts, repair_texts

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
