import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import describe_columns, is_scalar, read_rows
from headrace.errors import DataError

PATH = Path("x.parquet")
UUID = "12345678-1234-5678-1234-567812345678"


def read(table: pa.Table, **options: object) -> list:
    columns = describe_columns(PATH, table.schema, ReadOptions(**options), None)
    return list(read_rows(PATH, "Parquet", table.to_batches(), columns))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int8(), True),
        (pa.float16(), True),
        (pa.decimal128(9, 2), True),
        (pa.time64("us"), True),
        (pa.dictionary(pa.int8(), pa.string()), True),
        (pa.uuid(), True),
        (pa.month_day_nano_interval(), False),
        (pa.binary(), False),
        (pa.binary(16), False),
        (pa.list_(pa.string()), False),
        (pa.dictionary(pa.int8(), pa.binary()), False),
    ],
)
def test_types_of_which_cells_are_text(kind, expected):
    assert is_scalar(kind) is expected


def test_uuids_are_text_as_people_write_them():
    column = pa.array([bytes.fromhex(UUID.replace("-", "")), None], pa.binary(16)).cast(pa.uuid())
    (rows,) = read(pa.table({"a": column}))
    assert rows.cells.column("a").to_pylist() == [UUID, None]


def test_a_column_that_is_ignored_may_be_nested():
    table = pa.table({"a": [1, 2], "b": [[1], [2]], "c": pa.array([dt.date(2024, 2, 29)] * 2)})
    with pytest.raises(DataError, match=r"column 'b' contains list<.*set ingest.columns: \{b: ignore\}"):
        read(table)
    (rows,) = read(table, columns={"b": "ignore"})
    assert rows.cells.to_pylist() == [{"a": str(n), "b": None, "c": "2024-02-29"} for n in (1, 2)]


def test_sounds_are_no_images():
    sounds = pa.array([{"bytes": b"RIFF", "path": "x.wav"}])
    metadata = {"huggingface": '{"info": {"features": {"audio": {"_type": "Audio"}}}}'}
    table = pa.table({"audio": sounds, "label": ["p"]})
    assert read(table)[0].images is not None
    with pytest.raises(DataError, match="column 'audio' contains struct<"):
        read(table.replace_schema_metadata(metadata))


def test_bytes_are_images_if_the_first_cell_or_the_settings_say_so():
    def describe(cells: list[bytes | None], **options: object) -> str | None:
        table = pa.table({"photo": pa.array(cells, pa.binary()), "label": ["p"] * len(cells)})
        return describe_columns(
            PATH, table.schema, ReadOptions(**options), None, lambda _: table.to_batches()
        ).image_column

    assert describe([None, b"\xff\xd8\xff\xe0"]) == "photo"
    assert describe([b"anything"], columns={"photo": "image"}) == "photo"
    for cells in ([b"anything"], [None], []):
        with pytest.raises(DataError, match="'photo' contains binary; .* or image if it holds images"):
            describe(cells)


def test_images_are_hashed_and_read_in_small_batches():
    images = pa.array([{"bytes": bytes([index]), "path": f"{index}.png"} for index in range(100)] + [None])
    batches = read(pa.table({"image": images, "label": ["p"] * 101}))
    assert [rows.cells.num_rows for rows in batches] == [64, 37]
    assert batches[0].images.field("bytes").to_pylist() == [bytes([index]) for index in range(64)]
    assert batches[1].images.field("path").to_pylist()[-2:] == ["99.png", None]
    cells = [cell for rows in batches for cell in rows.cells.column("image").to_pylist()]
    assert len(set(cells)) == 101
    assert cells[-1] is None
    (rows,) = read(pa.table({"image": images, "label": ["p"] * 101}), columns={"image": "ignore"})
    assert rows.images is None
