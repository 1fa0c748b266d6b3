from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataError
from headrace.storage import parquet
from headrace.storage.parquet import read_shards, read_table, write_shards

SCHEMA = pa.schema([("row_id", pa.string()), ("image", pa.binary())])


def rows(first: int, num_rows: int) -> pa.RecordBatch:
    numbers = range(first, first + num_rows)
    return pa.record_batch([[f"{n:04d}" for n in numbers], [Random(n).randbytes(30) for n in numbers]], schema=SCHEMA)


def test_write_shards_reads_back_in_order(tmp_path: Path) -> None:
    assert write_shards(tmp_path, SCHEMA, (rows(first, 50) for first in range(0, 200, 50))) == 200
    table = read_table(tmp_path)
    assert table.schema == SCHEMA
    assert table == pa.Table.from_batches([rows(0, 200)]).combine_chunks()
    assert read_table(tmp_path, ["row_id"]).column_names == ["row_id"]


def test_write_shards_starts_a_new_shard_at_the_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "SHARD_BYTES", 3000)
    write_shards(tmp_path, SCHEMA, (rows(first, 50) for first in range(0, 300, 50)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"part-{n:05d}.parquet" for n in range(3)]
    assert read_table(tmp_path).column("row_id").to_pylist() == [f"{n:04d}" for n in range(300)]


def test_read_shards_yields_batches_of_limited_size(tmp_path: Path) -> None:
    write_shards(tmp_path, SCHEMA, [rows(0, 2500), rows(2500, 10)])
    assert [batch.num_rows for batch in read_shards(tmp_path)] == [1024, 1024, 452, 10]


def test_write_shards_of_no_rows_writes_the_schema(tmp_path: Path) -> None:
    assert write_shards(tmp_path, SCHEMA, []) == 0
    assert read_table(tmp_path).schema == SCHEMA
    assert read_table(tmp_path).num_rows == 0


def test_write_shards_raises_the_error_of_its_source(tmp_path: Path) -> None:
    def source() -> Iterator[pa.RecordBatch]:
        yield rows(0, 3)
        raise DataError("gone")

    with pytest.raises(DataError, match="^gone$"):
        write_shards(tmp_path, SCHEMA, source())


def test_read_shards_of_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"contains no part-\*\.parquet; run the stages before this one: dvc repro$"):
        read_table(tmp_path)


@pytest.mark.parametrize("num_bytes", [0, 1, 4, 100, -1])
def test_read_shards_of_a_truncated_shard_raises_one_line(tmp_path: Path, num_bytes: int) -> None:
    write_shards(tmp_path, SCHEMA, [rows(0, 100)])
    shard = tmp_path / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:num_bytes])
    with pytest.raises(DataError, match=r"^.*part-00000\.parquet: not readable as Parquet \(.*\); run: dvc repro .*$"):
        read_table(tmp_path)


def test_read_shards_of_a_damaged_shard_raises_one_line_or_reads(tmp_path: Path) -> None:
    write_shards(tmp_path, SCHEMA, [rows(0, 100)])
    shard = tmp_path / "part-00000.parquet"
    good, rng, messages = shard.read_bytes(), Random(0), []
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(3):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        shard.write_bytes(bad)
        try:
            read_table(tmp_path)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert not [message for message in messages if "\n" in message]


def test_read_shards_passes_errors_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path, SCHEMA, [rows(0, 3)])

    def failing(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pq, "ParquetFile", failing)
    with pytest.raises(PermissionError):
        read_table(tmp_path)
