"""The model as MLflow serves it: takes images, texts or table rows, returns labels or values.

This file is logged with the model as its code (nothing is pickled), next to a package of its own with the code that
prepared the training data. Both, and the graph, are checked against the checksums of the registration first, by code
that is copied into this file: no other file of the model may be imported before.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS, INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from headrace.tracking.served.verified_files import ChangedFileError, PackageFinder, verify_files

logger = logging.getLogger(__name__)


class Served(PythonModel):
    """Predicts `label`, `confidence` and `probabilities` for raw rows; for a regression `prediction`, or its targets.

    For multilabel data: `labels`, a list, and `probabilities` by name. Every answer has the `version` that gave it.
    """

    def load_context(self, context: Any) -> None:
        """Loads the graph, its card, and the code that answers for raw rows.

        Raises MlflowException if a file is not the one that was registered.
        """
        folder = Path(context.artifacts["checksums"]).parents[1]
        try:
            package = verify_files(folder)  # before any import: MLflow puts code/ first
        except ChangedFileError as error:
            raise MlflowException(str(error), DATA_LOSS) from None
        sys.meta_path.insert(0, PackageFinder(folder / "code" / package))
        card = json.loads(Path(context.artifacts["card"]).read_text(encoding="utf-8"))
        self.requests = import_module(f"{package}.scoring_requests")
        predictor = import_module(f"{package}.predictor")
        encode = import_module(f"{package}.serving").Encoder(card, dict(context.artifacts))
        self.predictor = predictor.Predictor(card, encode, Path(context.artifacts["graph"]))
        self.invalid_request = predictor.InvalidRequestError
        self.version = predictor.read_version(folder, card)
        self.requests.install_request_handler()

    def answer_request(self, data: bytes, content_type: str) -> Any:
        """Answers a request to the scoring server; invalid ones with HTTP 400 and one line."""
        from mlflow.pyfunc.scoring_server import InvocationsResponse

        try:
            with self._refusing():
                request = self.requests.parse_request(data, content_type, self.predictor.column)
                answers = self._answer(request.rows, request.params)
        except MlflowException:
            raise
        except Exception:
            logger.exception("a request failed")
            raise MlflowException("internal error; the log of the server has the details", INTERNAL_ERROR) from None
        return InvocationsResponse(json.dumps({"predictions": answers}), 200, "application/json")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Returns one row per input row; `confidence` is the calibrated probability of the label.

        `model_input`: a data frame, a list of rows, or lists by column. `params`: `abstain` adds a column of that
        name, whether the confidence is not above the threshold; `on_invalid: warn` adds `warnings` instead of raising
        for an invalid row. Raises MlflowException.
        """
        with self._refusing():
            rows = self.requests.read_rows(model_input, self.predictor.column)
            answers = self._answer(rows, params or {})
        return (
            pd.DataFrame(answers) if answers else pd.DataFrame(self.predictor.decode(self.predictor.predict([]).values))
        )

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turns the error of an invalid request into one that the scoring server answers with HTTP 400 and one line."""
        try:
            yield
        except self.invalid_request as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None

    def _answer(self, rows: list[dict[Any, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self.predictor.answer(rows, self.predictor.read_params(params))
        for answer in answers:
            answer["version"] = self.version
        return answers


mlflow.models.set_model(Served())
