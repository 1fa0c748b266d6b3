"""Inputs: the chunks of files and tables, without labels."""

import numpy as np
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError
from headrace.prediction.input_rows import InputOptions, open_input


def read_all(path, modality, columns, copied=()):
    opened = open_input(
        path, InputOptions(modality, list(columns), list(columns), ReadOptions(source=str(path)), copied)
    )
    return opened, list(opened.chunks)


def test_rows_of_several_tables_are_numbered_through(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("id,size,colour\n" + "".join(f"{name}{n},{n}.5,red\n" for n in range(3)))
    opened, chunks = read_all(tmp_path, "table", ["colour", "size"], ["id"])
    assert [chunk.first_row for chunk in chunks] == [0, 3]
    assert chunks[1].sources.to_pylist() == ["b.csv:2", "b.csv:3", "b.csv:4"]
    assert chunks[1].payload.load(1, 2).rows == [{"colour": "red", "size": "1.5"}]
    assert chunks[0].copied.to_pydict() == {"id": ["a0", "a1", "a2"]}
    assert [path.name for path in opened.files] == ["a.csv", "b.csv"]


def test_texts_of_files_are_decoded_as_ingest_decodes_them(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.txt").write_bytes("fine\r\nfilm".encode("utf-16"))
    (tmp_path / "b.txt").write_bytes(b"")
    opened, (chunk,) = read_all(tmp_path, "text", ["review"])
    assert opened.num_rows == 2
    assert chunk.sources.to_pylist() == ["b.txt", "x/a.txt"]
    assert chunk.payload.load(0, 2).rows == [{"review": ""}, {"review": "fine\nfilm"}]


def test_images_of_an_idx_file_need_no_labels(tmp_path):
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in pixels.shape)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    _, (chunk,) = read_all(tmp_path, "image", ["image"])
    assert np.array_equal(chunk.payload.load(0, 2)[..., 0], pixels)
    assert chunk.sources.to_pylist() == ["t10k-images-idx3-ubyte[0]", "t10k-images-idx3-ubyte[1]"]


@pytest.mark.parametrize(
    ("modality", "content", "copied", "message"),
    [
        (
            "table",
            "Size\n1\n",
            (),
            r"has no column 'size', which the model needs; .*\(did you mean 'Size'\?\);",
        ),
        ("text", "a,b\n1,2\n", (), r"has no column 'size', which .*, or name the column: --column NAME$"),
        ("table", "size\n1\n", ("id",), r"^--copy id: .* has no such column; choose one of \['size'\]"),
    ],
)
def test_tables_without_the_columns_are_refused(tmp_path, modality, content, copied, message):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_all(tmp_path / "rows.csv", modality, ["size"], copied)


def test_what_is_no_input_is_refused(tmp_path):
    (tmp_path / "notes.pdf").write_bytes(b"x")
    with pytest.raises(DataError, match=r"notes\.pdf is of an unknown kind; give a table, or a folder of files$"):
        read_all(tmp_path / "notes.pdf", "image", ["image"])
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"^--copy id: .* is no table; leave the option out$"):
        read_all(tmp_path / "a.png", "image", ["image"], ["id"])


def test_first_line_that_names_the_column_is_the_header_of_the_only_column(tmp_path):
    (tmp_path / "rows.csv").write_text('review\n"a fine, fine film"\nthe plot was bad\n')
    _, (chunk,) = read_all(tmp_path / "rows.csv", "text", ["review"])
    assert chunk.payload.load(0, 2).rows == [{"review": "a fine, fine film"}, {"review": "the plot was bad"}]
    assert chunk.sources.to_pylist() == ["rows.csv:2", "rows.csv:3"]
