"""What a version stores of its evaluation, to which later models are compared: its answers and their origin."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.evaluation.comparison import read_outcomes
from headrace.tracking.client import NOT_FOUND

if TYPE_CHECKING:
    from mlflow import MlflowClient

OUTCOMES_DIR = "evaluation"
"""The folder of a version."""
RECORD = "record.json"
"""File in that folder: `settings` by stage, `lineage`, `code` by stage, `metrics` by stage, and the hash `weights`."""
MAX_PROBABILITIES = 2**22
"""Stored with a version: 32 MB. The table of its run has all."""
PREDICTIONS = "reports/test/predictions.parquet"


def read_test_answers(path: Path) -> pa.Table:
    """Reads the table of predictions that `test` wrote, as a version stores it.

    Raises DataError if it has no outcomes. Of very many rows or classes the probabilities are left out.
    """
    read_outcomes(path)
    table = pq.read_table(path)
    if "probabilities" not in table.column_names:
        return table
    num_probabilities = table.num_rows * table.schema.field("probabilities").type.num_fields
    return table.drop_columns(["probabilities"]) if num_probabilities > MAX_PROBABILITIES else table


def download_model_outcomes(client: MlflowClient, model_id: str, source: str, split: str) -> pa.Table | None:
    """Downloads the outcomes on the rows of a split from a logged model; None if it has none, or they are gone."""
    from mlflow.artifacts import download_artifacts

    def download(folder: str) -> str | None:
        name = f"{OUTCOMES_DIR}/{split}.parquet"
        if name not in {item.path for item in client.list_logged_model_artifacts(model_id, OUTCOMES_DIR)}:
            return None
        uri = f"{source}/{name}"
        return str(download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=client.tracking_uri))

    return _read_downloaded(download)


def download_run_outcomes(client: MlflowClient, run_id: str) -> pa.Table | None:
    """Downloads the outcomes on the test rows from the run of a version of an earlier release; None without them."""

    def download(folder: str) -> str | None:
        if PREDICTIONS not in {item.path for item in client.list_artifacts(run_id, PREDICTIONS.rpartition("/")[0])}:
            return None
        return str(client.download_artifacts(run_id, PREDICTIONS, folder))

    return _read_downloaded(download)


def _read_downloaded(download: Callable[[str], str | None]) -> pa.Table | None:
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        try:
            path = download(folder)
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            return None
        return None if path is None else read_outcomes(Path(path))
