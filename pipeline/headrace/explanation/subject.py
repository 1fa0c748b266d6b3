"""The subject: the answers of the served graph, and the float32 network that attributions are computed with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Metrics, Spec
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.metrics.classification import softmax
from headrace.evaluation.metrics.multilabel import sigmoid
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import ReadMetric
from headrace.explanation.examples import ExplainedRows, ModelAnswers, collect_answers
from headrace.explanation.faithfulness import Score, compute_similarity
from headrace.explanation.methods.attributions import AttributionRequest, MethodName
from headrace.explanation.views.base import View
from headrace.storage.bundle import Bundle

if TYPE_CHECKING:
    from torch import nn


class AnsweredSplit(NamedTuple):
    """Rows of a split, and the served graph's answers to them."""

    predictions: Predictions
    answers: ModelAnswers
    sources: pa.ChunkedArray | None
    """Where each row stands in the source; None for arrays of an earlier version."""


class Subject(NamedTuple):
    """A trained model as it is served, and as it is explained."""

    bundle: Bundle
    spec: Spec
    graph_path: Path
    """The served graph."""
    precision: str
    calibration: Metrics
    """Of the served graph."""
    read_calibration: ReadMetric
    network: nn.Sequential
    view: View
    num_steps: int
    """Of integrated gradients."""

    def answer(self, predictions: Predictions, sources: pa.ChunkedArray | None) -> AnsweredSplit:
        """Returns the answers that the server gives to rows, with its calibrated probabilities."""
        threshold = self.read_calibration("threshold") if self.spec.task == "multilabel" else 0.0
        probabilities = self.compute_probabilities(predictions.logits)
        answers = collect_answers(self.spec, predictions.arrays, predictions.logits, probabilities, threshold=threshold)
        return AnsweredSplit(predictions, answers, sources)

    def compute_probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Calibrated probabilities of classes or labels; None for values."""
        if self.spec.task == "regression":
            return None
        temperature = self.read_calibration("temperature")
        return softmax(logits, temperature) if self.spec.task == "classification" else sigmoid(logits, temperature)

    def explain(self, split: AnsweredSplit, rows: NDArray[np.int64], methods: Sequence[MethodName]) -> ExplainedRows:
        """Returns rows of a split with their attributions by each method."""
        inputs, outputs = split.predictions.arrays.inputs[rows], split.answers.outputs[rows]
        maps = {method: self.attribute(method, inputs, outputs) for method in methods} if len(rows) else {}
        return ExplainedRows(rows, inputs, maps)

    def attribute(
        self,
        method: MethodName,
        inputs: NDArray[Any],
        outputs: NDArray[np.int64],
        network: nn.Sequential | None = None,
    ) -> NDArray[np.float32]:
        """Attributes the outputs to the inputs; several targets in standard deviations, to make them comparable.

        `network`: another one than the trained one.
        """
        maps = self.view.attribute(AttributionRequest(network or self.network, inputs, outputs, method, self.num_steps))
        if not self.spec.targets or method == "attention":
            return maps
        std = np.array(self.bundle.card.transform["target"]["std"], np.float32)[outputs]
        return np.asarray(maps / std.reshape(-1, *(1,) * (maps.ndim - 1)))

    def measure_strength(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much places count: a value may move either way, a class only counts what supports it."""
        return np.abs(maps) if self.spec.task == "regression" else maps

    def make_score(self, split: AnsweredSplit, rows: NDArray[np.int64]) -> Score:
        """Returns the score of `rows`: the probability of the answer, or the similarity to the predicted value."""
        outputs, positions = split.answers.outputs[rows], np.arange(len(rows))

        def score(inputs: NDArray[Any]) -> NDArray[np.float64]:
            logits = split.predictions.predict(inputs)
            probabilities = self.compute_probabilities(logits)
            if probabilities is not None:
                return np.asarray(probabilities[positions, outputs])
            before = split.predictions.logits[rows, outputs].astype(np.float64)
            spread = np.atleast_1d(self.bundle.card.transform["target"]["std"])[outputs]
            return compute_similarity(logits[positions, outputs].astype(np.float64), before, spread)

        return score

    def compare_with_float32(self, predictions: Predictions) -> Metrics:
        """How closely the served graph agrees with the float32 network, whose attributions are shown.

        `agreement`: the fraction of equal answers; regression: R2, and `difference`, the mean distance in the target's
        unit, of several targets in standard deviations.
        """
        served, float32 = predictions.logits, self.bundle.graph().predict(predictions.arrays.inputs)
        cutoff = find_cutoff(self.calibration)
        agreement = {"agreement": find_evaluator(self.spec).agreement(served, float32, cutoff)}
        if self.spec.task != "regression":
            return agreement
        unit = np.array(self.bundle.card.transform["target"]["std"]) if self.spec.targets else 1.0
        return agreement | {"difference": float(np.abs((served - float32.astype(np.float64)) / unit).mean())}
