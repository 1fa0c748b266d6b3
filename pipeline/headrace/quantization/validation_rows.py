"""The validation rows, on which graphs of one model are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.predictions import Predictions, predict_split
from headrace.storage.bundle import GRAPH, Bundle


@dataclass(frozen=True)
class ValidationRows:
    """The validation rows, and the model whose graphs predict them."""

    bundle: Bundle
    val_dir: Path
    """`data/normalized/val`."""
    validated: Metrics
    """Metrics of `validate`."""

    def predict(self, path: Path) -> Predictions | None:
        """Predicts the validation rows; None if outputs are NaN or infinite, or ONNX Runtime cannot load the graph.

        Raises DataError if that holds for the float32 graph, or if there are no rows.
        """
        try:
            return predict_split(self.bundle, self.val_dir, path)
        except DataError:
            if path == self.bundle.folder / GRAPH:
                raise
            return None

    def quality_by_row(self, predictions: Predictions) -> NDArray[np.float64]:
        """`[rows]`: quality of the answer to each row."""
        evaluator = find_evaluator(self.bundle.spec)
        return evaluator.quality_by_row(predictions.logits, predictions.arrays.targets, find_cutoff(self.validated))

    def measure_agreement(self, predictions: Predictions, reference: Predictions) -> float:
        """Fraction of equal classes or labels, or R2."""
        evaluator = find_evaluator(self.bundle.spec)
        return evaluator.agreement(predictions.logits, reference.logits, find_cutoff(self.validated))

    def measure_loss(self, predictions: Predictions | None, reference: Predictions) -> float:
        """Quality that is lost against `reference`, the mean over the rows; infinite without predictions."""
        if predictions is None:
            return float("inf")
        return float(np.mean(self.quality_by_row(reference) - self.quality_by_row(predictions)))
