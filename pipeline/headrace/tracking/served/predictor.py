"""Answers for rows of the source: encodes them, runs the graph, decodes its outputs. Copied into served models.

The scoring server, `headrace predict` and `headrace.load_model` all answer by this code, which needs NumPy and ONNX
Runtime only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.request_rows import InvalidRequestError

ROWS_PER_RUN = 256
ON_INVALID = ("refuse", "warn")
"""What happens to a row with an invalid cell: the whole request is refused, or the answer has a warning."""
ANSWER_COLUMNS = ("row", "source", "reason", "version", "warnings")
"""What answers have besides the values of the targets: in the output of `headrace predict`, or from the server."""
Rows = list[dict[Any, Any]]
Answer = dict[str, Any]


class Params(NamedTuple):
    """The parameters of a request."""

    abstain: bool = False
    """Whether answers say that the confidence is not above the threshold that `validate` or `quantize` found."""
    on_invalid: str = "refuse"
    """One of ON_INVALID."""


class Outputs(NamedTuple):
    """The graph's outputs for some rows."""

    values: NDArray[np.float32]
    """`[rows, outputs]`; meaningless for a row without an answer."""
    problems: list[Any]
    """What is wrong with the rows, in their order: see `data/request_rows.py`."""


class Predictor:
    """A registered graph with its card and encoder."""

    def __init__(self, card: Answer, encode: Callable[[Rows], Any], graph: Path, num_threads: int = 0) -> None:
        """Loads the graph; `num_threads` 0 uses every core."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        # threads that wait for the next run in a loop would take the cores from other requests
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.card, self.encode = card, encode
        self._session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    @property
    def column(self) -> str | None:
        """The only column of a row; None for a table."""
        if self.card["modality"] == "text":
            return str(self.card.get("input_column") or "text")
        return None if self.card["modality"] == "table" else str(self.card["modality"])

    def answer(self, rows: Rows, params: Params = Params()) -> list[Answer]:  # noqa: B008 immutable
        """Returns one answer for each row; raises InvalidRequestError.

        With `on_invalid: warn`, an answer has `warnings`; for a row that cannot be answered, all else is None.
        """
        outputs = self.predict(rows)
        if outputs.problems and params.on_invalid == "refuse":
            raise InvalidRequestError(outputs.problems[0].describe())
        columns = self.decode(outputs.values, abstain=params.abstain)
        answers = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return answers if params.on_invalid == "refuse" else _add_warnings(answers, outputs.problems)

    def predict(self, rows: Rows) -> Outputs:
        """Encodes rows, and runs the graph on ROWS_PER_RUN of them at a time."""
        parts, problems = [], list[Any]()
        for start in range(0, len(rows), ROWS_PER_RUN):
            encoded = self.encode(rows[start : start + ROWS_PER_RUN])
            parts.append(self.run(encoded.inputs))
            problems += [problem._replace(row=start + problem.row) for problem in encoded.problems]
        width = max(1, len(self.card["classes"]), len(self.card["targets"]))
        values = np.concatenate(parts) if parts else np.empty((0, width), np.float32)
        return Outputs(values, sorted(problems, key=lambda problem: problem.row))

    def run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Runs the graph on encoded rows: `[rows, outputs]`."""
        outputs: NDArray[np.float32] = self._session.run(None, {self._input: inputs})[0]
        return outputs

    def read_params(self, given: dict[str, Any]) -> Params:
        """Checks the parameters of a request; raises InvalidRequestError."""
        names = [*(["abstain"] if self.card["task"] == "classification" else []), "on_invalid"]
        unknown = sorted(map(str, given.keys() - set(names)))
        if unknown:
            raise InvalidRequestError(f"params: {unknown[0]!r} is unknown; this model has {names}")
        params = Params(**given)
        if not isinstance(params.abstain, bool):
            raise InvalidRequestError(f"params: abstain: {params.abstain!r}; must be true or false")
        if params.abstain and "threshold" not in self.card:
            raise InvalidRequestError("params: abstain: this version has no threshold; register it again")
        if params.on_invalid not in ON_INVALID:
            raise InvalidRequestError(f"params: on_invalid: {params.on_invalid!r}; must be one of {list(ON_INVALID)}")
        return params

    def decode(self, outputs: NDArray[np.float32], *, abstain: bool = False) -> dict[str, list[Any]]:
        """Returns the columns of the answers, as Python values, from the graph's outputs."""
        if self.card["task"] == "regression":
            names = name_values(self.card["targets"])
            return dict(zip(names, outputs.astype(np.float64).T.tolist(), strict=True))
        probabilities = self.compute_probabilities(outputs)
        classes = self.card["classes"]
        by_class = [dict(zip(classes, row, strict=True)) for row in probabilities.tolist()]
        if self.card["task"] == "multilabel":
            is_label = (probabilities > self.card["threshold"]).tolist()
            labels = [[name for name, is_one in zip(classes, row, strict=True) if is_one] for row in is_label]
            return {"labels": labels, "probabilities": by_class}
        confidences = probabilities.max(axis=1)
        columns = {
            "label": [classes[index] for index in probabilities.argmax(axis=1).tolist()],
            "confidence": confidences.tolist(),
            "probabilities": by_class,
        }
        return columns | ({"abstain": (confidences <= self.card["threshold"]).tolist()} if abstain else {})

    def compute_probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities `[rows, classes]`, at the temperature of the card."""
        scaled = outputs.astype(np.float64) / self.card["temperature"]
        if self.card["task"] == "multilabel":
            independent: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(scaled, -700, 700)))
            return independent
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def name_values(targets: list[str]) -> list[str]:
    """Returns the names of a regression's values in answers: the targets', or `prediction` if there is only one.

    A target with the name of another column of answers gets `_` appended.
    """
    names: list[str] = []
    for target in targets:
        name = target
        while name in ANSWER_COLUMNS or name in names or (name != target and name in targets):
            name += "_"
        names.append(name)
    return names or ["prediction"]


def read_version(folder: Path, card: dict[str, Any]) -> str:
    """Returns the name and number of the version in a folder, or the id of the training if it is not known.

    MLflow writes both beside a model that it loads by name (`registered_model_meta`), and so does `register`.
    """
    path = folder / "registered_model_meta"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    values = {name: value.strip().strip("'\"") for name, _, value in (line.partition(":") for line in lines)}
    if {"model_name", "model_version"} <= values.keys():
        return f"{values['model_name']}/{values['model_version']}"
    return f"training {card['training_id']}"


def _add_warnings(answers: list[Answer], problems: list[Any]) -> list[Answer]:
    for answer in answers:
        answer["warnings"] = []
    for problem in problems:
        answer = answers[problem.row]
        if not problem.is_answerable:
            answer.update({name: None for name in answer if name != "warnings"})
        answer["warnings"].append(problem.describe_cell())
    return answers
