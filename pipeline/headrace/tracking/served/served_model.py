"""The model as MLflow serves it: takes images, texts or table rows, returns labels or values.

This file is logged with the model as its code (nothing is pickled), next to a package of its own with the code that
prepared the training data. Both, and the graph, are checked against the checksums of the registration. The package is
compiled from its sources: Python would run a `.pyc` beside them, which no checksum covers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS, INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

logger = logging.getLogger(__name__)


class Served(PythonModel):
    """Predicts `label`, `confidence` and `probabilities` for raw rows; for a regression `prediction`, or its targets.

    For multilabel data: `labels`, a list, and `probabilities` by name. Every answer has the `version` that gave it.
    """

    def load_context(self, context: Any) -> None:
        """Loads the graph, its card, and the code that answers for raw rows.

        Raises MlflowException if a file is not the one that was registered.
        """
        checksums_path = Path(context.artifacts["checksums"])
        package = verify_files(checksums_path)  # before any import: MLflow puts code/ first
        sys.meta_path.insert(0, PackageFinder(checksums_path.parents[1] / "code" / package))
        card = json.loads(Path(context.artifacts["card"]).read_text(encoding="utf-8"))
        self.requests = import_module(f"{package}.scoring_requests")
        predictor = import_module(f"{package}.predictor")
        encode = import_module(f"{package}.serving").Encoder(card, dict(context.artifacts))
        self.predictor = predictor.Predictor(card, encode, Path(context.artifacts["graph"]))
        self.invalid_request = predictor.InvalidRequestError
        self.version = predictor.read_version(checksums_path.parents[1], card)
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


class SourceOnlyLoader(SourceLoader):
    """Compiles a module from its source; it has no `path_stats`, without which Python uses no bytecode file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 the signature of importlib
        """Returns the path of the source."""
        return str(self._path)

    def get_data(self, path: str) -> bytes:
        """Returns the source."""
        return Path(path).read_bytes()


class PackageFinder(MetaPathFinder):
    """Finds the modules of one package, which has no folders below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Returns where a module of the package is; None for all others."""
        package, _, module = fullname.partition(".")
        source = self._folder / f"{module or '__init__'}.py"
        if package != self._folder.name or not source.is_file():
            return None
        folders = None if module else [str(self._folder)]
        return spec_from_file_location(
            fullname, source, loader=SourceOnlyLoader(source), submodule_search_locations=folders
        )


def verify_files(checksums_path: Path) -> str:
    """Returns the name of the model's package; raises MlflowException for a file that is not as it was registered.

    No other file may lie in the folders that programs are imported from and data are read from, but bytecode, which
    `PackageFinder` ignores.
    """
    recorded = json.loads(checksums_path.read_text(encoding="utf-8"))
    root = checksums_path.parents[1]
    present = {
        path.relative_to(root).as_posix()
        for folder in ("code", "artifacts")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__" and path != checksums_path
    }
    for name in sorted(present | recorded["files"].keys()):
        path, expected = root / name, recorded["files"].get(name, "")
        actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if actual != expected:
            raise MlflowException(
                f"{name}: SHA-256 is {actual}, at registration it was {expected or 'not there'}: this version was"
                " changed or damaged; register it again: dvc repro --force --single-item register",
                DATA_LOSS,
            )
    return str(recorded["package"])


mlflow.models.set_model(Served())
