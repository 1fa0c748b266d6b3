"""A table whose columns have the names of Headrace's own: learned like any other, and under these names everywhere."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.data.table.encoding.serving import Encoder
from headrace.evaluation.gates.bounds import list_slice_columns
from headrace.evaluation.slice_definitions import list_other_columns, read_other_columns
from headrace.paths import SPLITS, Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import Bundle, BundleCard
from headrace.storage.column_names import RESERVED_NAMES
from headrace.storage.parquet import read_table
from headrace.tracking.serving_package import make_card, make_signature
from tests.projects import run_stages, write_csv

STAGES = ("ingest", "clean", "split", "normalize")
NEUTRAL = [f"x{index}" for index in range(len(RESERVED_NAMES))]
NUMBER, DATE, GROUP, CATEGORY, IGNORED = range(5)
"""Columns by their content; the others are numbers too."""


def table(names: Sequence[str], num_rows: int = 120) -> list[dict[str, Any]]:
    """Rows of numbers, a date, groups, a category and one that is ignored; two cells of the first are no numbers."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(num_rows):
        cells: list[Any] = [f"{value:.3f}" for value in rng.normal(0, 1, len(names))]
        cells[NUMBER] = "900" if index == 7 else "much" if index == 9 else cells[NUMBER]
        cells[DATE] = f"2024-{1 + index % 12:02d}-11"
        cells[GROUP] = f"g{index % 30}"
        cells[CATEGORY] = ["red", "green", "blue"][index % 3]
        cells[IGNORED] = ["north", "south"][index % 2]
        rows.append({**dict(zip(names, cells, strict=True)), "fate": "ab"[int(rng.integers(2))]})
    return rows


def prepare(root: Path, names: Sequence[str]) -> Paths:
    """A project in the state after `normalize`, with settings that name columns."""
    paths = Paths(root)
    root.mkdir()
    write_csv(root / "rows.csv", table(names))
    checks = {
        "out_of_range": {"severity": "drop", "ranges": {names[NUMBER]: [-100, 100]}},
        "mixed_types": "repair",
        "leakage": "off",
        "label_error": "off",
    }
    kinds = {names[IGNORED]: "ignore", names[GROUP]: "categorical"}
    settings: Mapping[str, Any] = {
        "ingest": {"source": "rows.csv", "target": "fate", "columns": kinds},
        "clean": {"checks": checks},
        "split": {"strategy": "group", "group": names[GROUP]},
    }
    run_stages(paths, dict(settings), STAGES)
    return paths


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, Paths]:
    folder = tmp_path_factory.mktemp("names")
    return prepare(folder / "neutral", NEUTRAL), prepare(folder / "reserved", RESERVED_NAMES)


def to_neutral(text: str) -> str:
    """A JSON text with the neutral names in place of the reserved ones."""
    for name, neutral in zip(RESERVED_NAMES, NEUTRAL, strict=True):
        text = text.replace(f'"name": "{name}', f'"name": "{neutral}').replace(
            f'"column": "{name}"', f'"column": "{neutral}"'
        )
    return text


def test_names_change_neither_rows_nor_splits_nor_arrays(prepared):
    for folder in ("raw_dir", "clean_dir", "split_dir"):
        first, second = (read_table(getattr(paths, folder)) for paths in prepared)
        hidden = {"source", "original"}  # places in files of another length, and cells by column
        kept = [index for index, name in enumerate(first.schema.names) if name not in hidden]
        for index in kept:
            assert first.column(index).equals(second.column(index)), (folder, first.schema.names[index])
    for split in SPLITS:
        first, second = (open_arrays(paths.normalized_dir / split) for paths in prepared)
        assert np.array_equal(first.inputs[:], second.inputs[:], equal_nan=True)
        assert np.array_equal(first.row_ids, second.row_ids)
    first, second = ((paths.normalized_dir / "transform.json").read_text() for paths in prepared)
    assert first == to_neutral(second)


def test_reports_and_quarantine_have_the_names_of_the_source(prepared):
    _, paths = prepared
    name = RESERVED_NAMES[NUMBER]
    reasons = read_table(paths.quarantine_dir).column("reason").to_pylist()
    assert reasons == [f"{name}: '900' is outside -100 to 100"]
    (original,) = read_table(paths.clean_dir).column("original").drop_null().to_pylist()
    assert json.loads(original) == {name: "much"}
    page = paths.clean_report_path.read_text()
    assert not [f"{each}_" for each in RESERVED_NAMES if f">{each}_<" in page or f"'{each}_'" in page]
    assumptions = paths.assumptions_path.read_text()
    assert not [f"{each}_" for each in RESERVED_NAMES if f"'{each}_'" in assumptions]


def test_model_is_served_by_the_names_of_the_source(prepared):
    _, paths = prepared
    spec = Spec.read(paths.normalized_dir)
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    bundle = Bundle(paths.trained_dir, BundleCard("0" * 16, {}, spec.model_dump(), transform, {}, {}))
    expected = [name for index, name in enumerate(RESERVED_NAMES) if index != IGNORED]
    assert make_signature(bundle).inputs.input_names() == expected
    assert list_slice_columns(spec)[: len(expected)] == expected
    card = make_card(bundle, {})
    by_row_id = {row["row_id"]: row for row in read_table(paths.raw_dir).to_pylist()}
    arrays = open_arrays(paths.normalized_dir / "val")
    rows = [by_row_id[row_id.decode()] for row_id in arrays.row_ids]
    sent = [{name: row[f"{name}_"] for name in RESERVED_NAMES} for row in rows]
    encoded = Encoder(card, {})(sent)
    assert not [problem for problem in encoded.problems if problem.column != RESERVED_NAMES[NUMBER]]
    assert np.array_equal(encoded.inputs, arrays.inputs[:], equal_nan=True)


def test_column_that_the_model_has_not_is_sliced_by_its_name(prepared):
    _, paths = prepared
    folder, name = paths.normalized_dir / "val", RESERVED_NAMES[IGNORED]
    assert name in list_other_columns(folder)
    assert set(list_other_columns(folder)) < set(RESERVED_NAMES)
    assert set(read_other_columns(folder, [name])[name]) == {"north", "south"}
