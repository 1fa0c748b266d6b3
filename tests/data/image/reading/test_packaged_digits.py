from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.image.decode import decode_image
from headrace.data.image.reading.packaged_digits import load_mnist5k_table, read_digits, read_mnist5k
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.sources.read_options import ReadOptions


@pytest.fixture(scope="module")
def mnist() -> pa.Table:
    return pa.Table.from_batches(read_mnist5k(Path("/"), ReadOptions()).batches)


def test_mnist5k_has_500_digits_of_each_class(mnist: pa.Table) -> None:
    assert mnist.schema == RAW_SCHEMA
    counts = {row["values"]: row["counts"] for row in mnist.column("label").value_counts().to_pylist()}
    assert counts == {str(digit): 500 for digit in range(10)}
    pixels = decode_image(mnist.column("image")[0].as_py())
    assert pixels.ravel().tolist() == load_mnist5k_table()[0, :-1].tolist()
    assert pixels.shape == (28, 28, 1)
    assert pixels.max() > 200


def test_mnist5k_row_ids_are_distinct_and_fixed(mnist: pa.Table) -> None:
    row_ids = mnist.column("row_id").to_pylist()
    assert len(set(row_ids)) == 5000
    assert row_ids[0] == "3feb23743977da8deb16f61403eb4809"  # another id would move rows between splits


def test_digits_have_8_x_8_grey_pixels_and_distinct_ids() -> None:
    opened = read_digits(Path("/"), ReadOptions(source="digits"))
    table = pa.Table.from_batches(opened.batches, RAW_SCHEMA)
    assert (opened.spec.format, opened.spec.modality, table.num_rows) == ("digits", "image", 1797)
    assert len(set(table["row_id"].to_pylist())) == 1797
    pixels = [decode_image(image) for image in table["image"].to_pylist()]
    assert {image.shape for image in pixels} == {(8, 8, 1)}
    assert min(image.min() for image in pixels) == 0
    assert max(image.max() for image in pixels) == 255
    assert set(table["label"].to_pylist()) == set("0123456789")
