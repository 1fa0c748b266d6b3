from pathlib import Path

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.sklearn_tables import read_breast_cancer, read_diabetes, read_wine
from headrace.errors import ConfigError

NOWHERE = Path("/nowhere")


def opened(read, **options):
    source = read(NOWHERE, ReadOptions(**options))
    return source.spec, pa.Table.from_batches(source.batches, source.schema)


@pytest.mark.parametrize(
    ("read", "num_rows", "num_columns", "labels"),
    [
        (read_wine, 178, 13, {"class_0": 59, "class_1": 71, "class_2": 48}),
        (read_breast_cancer, 569, 30, {"malignant": 212, "benign": 357}),
    ],
)
def test_classification_tables_have_their_published_counts(read, num_rows, num_columns, labels):
    spec, table = opened(read)
    assert (spec.modality, spec.task, len(spec.columns)) == ("table", "classification", num_columns)
    assert table.num_rows == num_rows
    assert {item["values"]: item["counts"] for item in table["label"].value_counts().to_pylist()} == labels
    assert table.schema.names == ["row_id", "label", "split", "source", *(column.name for column in spec.columns)]
    assert set(table.schema.types) == {pa.string()}
    assert table["split"].null_count == num_rows
    assert len(set(table["row_id"].to_pylist())) == num_rows


def test_wine_cells_are_written_as_in_its_file():
    _, table = opened(read_wine)
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["alcohol"], first["proline"], first["label"]) == ("14.23", "1065", "class_0")
    assert first["row_id"] == "64a06ff505ccbb09b8518c59edb21ad0"  # another id would move rows between splits


def test_diabetes_is_regression_on_unscaled_values():
    spec, table = opened(read_diabetes)
    assert (spec.task, spec.target, table.num_rows) == ("regression", "progression", 442)
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["age"], first["bmi"], first["label"]) == ("59", "32.1", "151")


def test_columns_setting_changes_kinds_and_ignores_columns():
    spec, table = opened(read_diabetes, columns={"sex": "categorical", "s6": "ignore"})
    kinds = {column.name: column.kind for column in spec.columns}
    assert kinds["sex"] == "categorical"
    assert "s6" not in kinds
    assert "s6" in table.schema.names


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"target": "sex"}, "ingest.target: got 'sex'; the target of diabetes is 'progression'; set that, or null"),
        ({"task": "classification"}, "ingest.task: got 'classification'; diabetes is for regression; set that"),
        ({"split_column": "sex"}, "ingest.split_column: got 'sex'; diabetes has no such column; set null"),
        ({"columns": {"bmj": "numeric"}}, r"ingest.columns: 'bmj' is not a column; .* \(did you mean 'bmi'\?\)"),
    ],
)
def test_contradictory_options_raise(options, line):
    with pytest.raises(ConfigError, match="^params.yaml: " + line):
        opened(read_diabetes, **options)
