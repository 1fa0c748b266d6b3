import numpy as np
import pyarrow as pa
import pytest

from headrace.evaluation.diagnosis import row_contents
from headrace.evaluation.diagnosis.row_contents import SplitRows, read_contents
from headrace.storage.arrays import Arrays
from headrace.storage.parquet import write_shards
from tests.drawn import row_id

ROW_IDS = np.array(sorted(row_id(index).encode() for index in range(5)), "S32")
TARGETS = np.zeros(5, np.int64)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_are_pixels_of_one_or_three_channels(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, channels), dtype=np.uint8)
    rows = SplitRows(Arrays(images, TARGETS, ROW_IDS), "image", {}, tmp_path)
    contents = read_contents(rows, np.array([3, 1]))
    assert [content["pixels"].tolist() for content in contents] == images[[3, 1], ..., : min(channels, 3)].tolist()
    assert read_contents(rows, np.array([], np.int64)) == []


def test_texts_are_the_clean_ones_in_the_order_of_the_positions_and_cut(tmp_path, monkeypatch):
    names = [name.decode() for name in ROW_IDS]
    table = pa.table({"row_id": names[::-1], "text": [f"text {row}, which is long" for row in (4, 3, 2, 1, 0)]})
    write_shards(tmp_path, table.schema, table.to_batches())
    monkeypatch.setattr(row_contents, "MAX_CHARACTERS", 6)
    rows = SplitRows(Arrays(np.ones((5, 3), np.int32), TARGETS, ROW_IDS), "text", {}, tmp_path)
    assert read_contents(rows, np.array([3, 0, 2])) == [{"text": "text 3"}, {"text": "text 0"}, {"text": "text 2"}]


def test_tables_are_decoded_cells(tmp_path):
    transform = {
        "columns": [{"name": "x", "kind": "numeric", "offset": 1.0, "unit": 2.0}],
        "inputs": [{"column": "x", "kind": "numeric"}],
    }
    cells = np.array([[1.0], [2.0], [np.nan], [0.0], [0.0]], np.float32)
    rows = SplitRows(Arrays(cells, TARGETS, ROW_IDS), "table", transform, tmp_path)
    assert read_contents(rows, np.array([2, 1])) == [{"cells": {"x": "missing"}}, {"cells": {"x": "5"}}]
