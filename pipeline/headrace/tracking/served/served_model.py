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
from importlib import import_module
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS, INTERNAL_ERROR
from mlflow.pyfunc import PythonModel

ROWS_PER_RUN = 256
logger = logging.getLogger(__name__)


class Served(PythonModel):
    """Predicts `label`, `confidence` and `probabilities` for raw rows; for a regression `prediction`, or its targets.

    For multilabel data: `labels`, a list, and `probabilities` by name.
    """

    def load_context(self, context: Any) -> None:
        """Loads the graph, its card, and the encoder that turns raw rows into the graph's inputs.

        Raises MlflowException if a file is not the one that was registered.
        """
        package = verify_files(Path(context.artifacts["checksums"]))  # before any import: MLflow puts code/ first
        import onnxruntime as ort

        sys.meta_path.insert(0, PackageFinder(Path(context.artifacts["checksums"]).parents[1] / "code" / package))
        self.card = json.loads(Path(context.artifacts["card"]).read_text(encoding="utf-8"))
        self.session = ort.InferenceSession(context.artifacts["graph"], providers=["CPUExecutionProvider"])
        self.requests = import_module(f"{package}.scoring_requests")
        self.invalid_row = import_module(f"{package}.request_rows").InvalidRowError
        self.encode = import_module(f"{package}.serving").Encoder(self.card, dict(context.artifacts))
        self.requests.install_request_handler()

    def answer_request(self, data: bytes, content_type: str) -> Any:
        """Answers a request to the scoring server; invalid ones with HTTP 400 and one line."""
        from mlflow.pyfunc.scoring_server import InvocationsResponse

        try:
            request = self.requests.parse_request(data, content_type, self._column)
            answers = self.predict(None, request.rows, request.params)
        except MlflowException:
            raise
        except Exception:
            logger.exception("a request failed")
            raise MlflowException("internal error; the log of the server has the details", INTERNAL_ERROR) from None
        return InvocationsResponse(json.dumps({"predictions": answers.to_dict("records")}), 200, "application/json")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Returns one row per input row; `confidence` is the calibrated probability of the label.

        `model_input`: a data frame, a list of rows, or lists by column. `params`: `abstain` adds a column of that
        name, whether the confidence is not above the threshold that `validate` found. Raises MlflowException.
        """
        threshold = self._read_threshold(params or {})
        rows = self.requests.read_rows(model_input, self._column)
        parts = [
            self._outputs(rows[start : start + ROWS_PER_RUN], start) for start in range(0, len(rows), ROWS_PER_RUN)
        ]
        width = max(1, len(self.card["classes"]), len(self.card["targets"]))
        outputs = np.concatenate(parts) if parts else np.empty((0, width), np.float32)
        decoders = {"classification": self._label, "multilabel": self._labels, "regression": self._values}
        answers = decoders[self.card["task"]](outputs)
        return answers if threshold is None else answers.assign(abstain=answers["confidence"] <= threshold)

    @property
    def _column(self) -> str | None:
        """The only column of a row; None for a table."""
        return None if self.card["modality"] == "table" else str(self.card["modality"])

    def _read_threshold(self, params: dict[str, Any]) -> float | None:
        """The confidence up to which answers are marked; None if that is not wanted."""
        names = ["abstain"] if self.card["task"] == "classification" else []
        unknown = sorted(map(str, params.keys() - set(names)))
        if unknown:
            raise self.requests.reject(f"params: {unknown[0]!r} is unknown; this model has {names or 'none'}")
        abstain = params.get("abstain", False)
        if not isinstance(abstain, bool):
            raise self.requests.reject(f"params: abstain: {abstain!r}; must be true or false")
        if abstain and "threshold" not in self.card:
            raise self.requests.reject("params: abstain: this version has no threshold; register it again")
        return float(self.card["threshold"]) if abstain else None

    def _outputs(self, rows: list[dict[Any, Any]], first_row: int) -> Any:
        try:
            inputs = self.encode(rows)
        except self.invalid_row as error:
            raise self.requests.reject(error.describe(first_row)) from None
        return self.session.run(None, {self.session.get_inputs()[0].name: inputs})[0]

    def _label(self, logits: Any) -> pd.DataFrame:
        scaled = logits.astype(np.float64) / self.card["temperature"]
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities, classes = powers / powers.sum(axis=1, keepdims=True), self.card["classes"]
        return pd.DataFrame(
            {
                "label": [classes[index] for index in probabilities.argmax(axis=1)],
                "confidence": probabilities.max(axis=1),
                "probabilities": [dict(zip(classes, row, strict=True)) for row in probabilities.tolist()],
            }
        )

    def _labels(self, logits: Any) -> pd.DataFrame:
        scaled = logits.astype(np.float64) / self.card["temperature"]
        names, probabilities = np.array(self.card["classes"], object), 1 / (1 + np.exp(-np.clip(scaled, -700, 700)))
        return pd.DataFrame(
            {
                "labels": [names[row > self.card["threshold"]].tolist() for row in probabilities],
                "probabilities": [dict(zip(names, row, strict=True)) for row in probabilities.tolist()],
            }
        )

    def _values(self, outputs: Any) -> pd.DataFrame:
        if self.card["targets"]:
            return pd.DataFrame(outputs.astype(np.float64), columns=self.card["targets"])
        return pd.DataFrame({"prediction": outputs[:, 0].astype(np.float64)})


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
