from pathlib import Path

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.delimited.format_remarks import assume_encodings, assume_format, assume_missing

CITIES = "city,size\n" + "\u0141\u00f3d\u017a,1\nGda\u0144sk,2\n\u017bywiec,3\nBia\u0142ystok,4\n" * 20


def write(folder: Path, encoding: str) -> Path:
    path = folder / f"{encoding}.csv"
    path.write_bytes(CITIES.encode(encoding))
    return path


def test_an_encoding_other_than_utf8_is_reported_with_words(tmp_path: Path) -> None:
    (assumption,) = assume_encodings([write(tmp_path, "cp1250")], "auto")
    assert assumption.is_warning
    assert assumption.text == (
        "cp1250.csv is read as cp1250, the likeliest guess, with words such as"
        " '\u0141\u00f3d\u017a', 'Gda\u0144sk', '\u017bywiec'"
    )
    (assumption,) = assume_encodings([write(tmp_path, "utf-16")], "auto")
    assert not assumption.is_warning
    assert assume_encodings([write(tmp_path, "utf-8")], "auto") == []
    assert assume_encodings([write(tmp_path, "cp1250")], "cp1250") == []


def test_each_encoding_of_several_files_is_reported_once(tmp_path: Path) -> None:
    paths = [write(tmp_path, encoding) for encoding in ("cp1250", "utf-8", "utf-16")]
    assert [a.text.split(",")[0] for a in assume_encodings([*paths, *paths], "auto")] == [
        "cp1250.csv is read as cp1250", "utf-16.csv is read as utf-16",
    ]  # fmt: skip


def test_delimiter_and_header_are_reported_if_they_were_detected(tmp_path: Path) -> None:
    paths, detected = [write(tmp_path, "utf-8")], TableFormat(delimiter=";", header=True)
    texts = [a.text for a in assume_format(paths, ReadOptions(), detected, is_delimited=True)]
    assert texts == ["cells are separated by ';'", "the first line has the column names"]
    assert assume_format(paths, ReadOptions(table=detected), detected, is_delimited=True) == []
    assert assume_format(paths, ReadOptions(), detected, is_delimited=False) == []


def test_missing_cells_are_reported_unless_the_settings_name_them() -> None:
    assert "NA" in assume_missing(TableFormat())[0].text
    assert assume_missing(TableFormat(missing=["", -999])) == []
