"""The stored answers of a version are found with its model, or with its run; without them there are none."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.served import outcomes
from headrace.tracking.served.outcomes import (
    OUTCOMES_DIR,
    PREDICTIONS,
    download_model_outcomes,
    download_run_outcomes,
    read_test_answers,
)

TABLE = pa.table({"row_id": ["a", "b"], "correct": [True, False]})


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Paths(tmp_path)


def test_outcomes_of_a_model_are_those_of_the_split(paths: Paths) -> None:
    client = connect(paths)
    model = client.create_logged_model(find_or_create_experiment(client, paths), name="x")
    assert download_model_outcomes(client, model.model_id, model.artifact_location, "val") is None
    folder = paths.root / "model" / OUTCOMES_DIR
    folder.mkdir(parents=True)
    pq.write_table(TABLE, folder / "val.parquet")
    client.log_model_artifacts(model.model_id, str(folder.parent))
    assert download_model_outcomes(client, model.model_id, model.artifact_location, "val") == TABLE
    assert download_model_outcomes(client, model.model_id, model.artifact_location, "test") is None
    assert download_model_outcomes(client, "m-" + "0" * 32, model.artifact_location, "val") is None, "it was deleted"


def test_outcomes_of_a_run_are_its_predictions(paths: Paths) -> None:
    client = connect(paths)
    run_id = client.create_run(find_or_create_experiment(client, paths)).info.run_id
    assert download_run_outcomes(client, run_id) is None
    path = paths.root / PREDICTIONS
    path.parent.mkdir(parents=True)
    pq.write_table(TABLE, path)
    client.log_artifact(run_id, str(path), path.parent.relative_to(paths.root).as_posix())
    assert download_run_outcomes(client, run_id) == TABLE
    assert download_run_outcomes(client, "0" * 32) is None, "it was deleted"


def test_answers_of_very_many_rows_or_classes_are_stored_without_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probabilities = pa.StructArray.from_arrays([pa.array([0.5, 0.5])] * 2, ["cat", "dog"])
    answers = TABLE.append_column("probabilities", probabilities)
    pq.write_table(answers, tmp_path / "x.parquet")
    assert read_test_answers(tmp_path / "x.parquet") == answers
    monkeypatch.setattr(outcomes, "MAX_PROBABILITIES", 3)
    assert read_test_answers(tmp_path / "x.parquet") == TABLE
    pq.write_table(TABLE, tmp_path / "y.parquet")
    assert read_test_answers(tmp_path / "y.parquet") == TABLE
    pq.write_table(TABLE.select(["row_id"]), tmp_path / "z.parquet")
    with pytest.raises(DataError, match="has none of the columns"):
        read_test_answers(tmp_path / "z.parquet")
