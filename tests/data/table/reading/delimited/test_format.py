import pytest

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.reading.delimited.format import detect_layout, looks_like_header
from headrace.errors import ConfigError, DataError

MISSING = TableFormat().missing


def layout(tmp_path, text, **table):
    (tmp_path / "x.csv").write_text(text)
    return detect_layout(tmp_path / "x.csv", TableFormat(**table))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", " "])
def test_detect_delimiter(tmp_path, delimiter):
    rows = [["name", "age", "city"], ["ann", "31", "oslo"], ["bob", "4", "rome"], ["cy", "5", "oslo"]]
    detected = layout(tmp_path, "\n".join(delimiter.join(row) for row in rows) + "\n")
    assert (detected.dialect.delimiter, detected.names, detected.num_skipped) == (delimiter, rows[0], 1)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("x;y\n1,5;2,5\n3,5;4,0\n", ";"),  # decimal commas
        ("a, b, c\n1, 2, 3\n4, 5, 6\n", ","),  # blanks split as evenly
        ("good, really\t1\nbad, really\t0\n", "\t"),
        ("text\tlabel\none, two, three\t1\nno\t0\n", "\t"),
        ("word\nother\n", ","),  # one column
        ("id,note,label\n" + '1,"a; b",x\n2,"c; d",y\n' * 99, ","),  # as even, but within quotes
        ('1,"a; b",x\n2,"c; d",y\n' * 9, ","),
        ('id,"a; b",label\n1,"c ""d; e"" f",x\n2,"g\n; h",y\n', ","),
        ('id, "a; b", label\n1, "a; b", x\n', ","),
        ('"a;b";"c;d"\n"e;f";"g,h"\n', ";"),
        ('size;word\n5" a;3" b\n6" a;4" b\n', ";"),  # inches
        ("id,note,label\n" + "1,a; b,x\n2,c; d,y\n" * 99, ","),  # the header has no semicolon
        ('word\n"a; b"\n"c; d"\n', ","),
        ('word\n"a, b"\n"c, d"\n', ","),
    ],
)
def test_detect_delimiter_if_several_fit(tmp_path, text, delimiter):
    assert layout(tmp_path, text).dialect.delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "is_quoted"),
    [
        ('a,b\n"x, y",1\n"z",2\n', True),
        ('a,b\n"x\ny",1\nz,2\n', True),
        ('ham\t"Hello he said\nspam\tWin "now"\nham\tok\n', False),
        ('ham\t"Yes" he said\nspam\tno\n', False),
        ('a,b\n5" pipe,1\n6" pipe,2\n', True),  # within a cell, quotes are ordinary characters
        ("a,b\n1,2\n", True),
        ('word\n"a, b"\n"c, d"\n', True),  # one column
    ],
)
def test_detect_quoting(tmp_path, text, is_quoted):
    assert layout(tmp_path, text).dialect.is_quoted is is_quoted


def test_detect_blanks_before_quotes(tmp_path):
    assert layout(tmp_path, 'a, b, c\n1, "x, y", 2\n3, "z", 4\n').dialect.skips_blanks


def test_quoting_setting_overrides_detection(tmp_path):
    assert layout(tmp_path, 'a,b\n"x",1\n', quoting=False).dialect.is_quoted is False
    assert layout(tmp_path, '"a;b"\n"c;d"\n', quoting=False).dialect.delimiter == ";"
    assert layout(tmp_path, 'a\tb\n"x,1\t\n', quoting=True, delimiter="\t").dialect.is_quoted is True


@pytest.mark.parametrize(
    ("first", "below", "expected"),
    [
        ("age sex", ["31 m", "25 f"], True),
        ("31 m", ["25 f", "30 m"], False),
        ("a b", ["x y", "x z", "x y", "x z"], True),  # values that no other row has
        ("x y", ["x z", "x y", "x z", "x y"], False),
        ("text label", ["abc d", "efg h"], True),
        ("foo bar", ["abc d", "efg h"], False),  # as plausible a row as any
        ("id 2019 2020", ["7 1 2", "8 3 4"], True),
        ("a b", [], True),
        ("a 1", [], False),
        ("? m", ["25 f", "30 m"], False),  # a missing number
        ("a a", ["x y", "x z", "x y", "x z"], False),  # column names are unique
        ("a a", ["1 2", "3 4"], True),  # but this is not a row either: duplicate names raise later
    ],
)
def test_looks_like_header(first, below, expected):
    assert looks_like_header(first.split(), [row.split() for row in below], MISSING) is expected


def test_header_and_names_settings_override_detection(tmp_path):
    assert layout(tmp_path, "a,b\n1,2\n", header=False).names == ["column_0", "column_1"]
    assert layout(tmp_path, "1,2\n3,4\n", header=True).names == ["1", "2"]
    given = layout(tmp_path, "1,2\n3,4\n", names=["a", "b"])
    assert (given.names, given.num_skipped) == (["a", "b"], 0)
    assert layout(tmp_path, "a,b\n3,4\n", names=["a", "b"]).num_skipped == 1
    assert layout(tmp_path, "x,y\n3,4\n", names=["a", "b"], header=True).num_skipped == 1
    with pytest.raises(
        ConfigError, match=r"ingest.table.names: got 1 names, but .*x.csv has 2 columns \(delimiter ','"
    ):
        layout(tmp_path, "1,2\n3,4\n", names=["a"])


def test_unnamed_columns_are_numbered(tmp_path):
    assert layout(tmp_path, ",b\n1,2\n3,4\n").names == ["column_0", "b"]


def test_lines_before_the_rows_are_skipped(tmp_path):
    detected = layout(tmp_path, "\n|1x3 Cross validator\n1,2,x\n3,4,y\n5,6,x\n")
    assert (detected.num_skipped, detected.has_header) == (2, False)
    assert "skipped line 2, which is not a row: '|1x3 Cross validator'" in detected.note
    assert layout(tmp_path, "junk, of two\nmore\n\na,b,c\n1,2,3\n", skip_lines=2).num_skipped == 4
    multi = layout(tmp_path, '"a\nb",c\n1,2\n3,4\n')
    assert (multi.names, multi.num_skipped) == (["a\nb", "c"], 2)


@pytest.mark.parametrize("text", ["", "\n\n  \n", "only\n"])
def test_file_without_lines_raises(tmp_path, text):
    with pytest.raises(DataError, match=r"x.csv: is empty; give a table"):
        layout(tmp_path, text, skip_lines=1)


@pytest.mark.parametrize(("line", "delimiter"), [("sep=;", ";"), ("SEP=|", "|"), ('"sep=\t"', "\t"), ("sep=,", ",")])
def test_first_line_for_excel_sets_the_delimiter(tmp_path, line, delimiter):
    text = "\n".join([line, delimiter.join(["a", "b c", "y"]), delimiter.join(["1", "2", "u"])])
    found = layout(tmp_path, text)
    assert (found.names, found.dialect.delimiter, found.num_skipped) == (["a", "b c", "y"], delimiter, 2)


def test_file_with_nothing_but_that_line_raises(tmp_path):
    with pytest.raises(DataError, match=r"has only the line 'sep=;'; give a table that has rows"):
        layout(tmp_path, "sep=;\n")
