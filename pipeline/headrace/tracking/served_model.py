"""The model as MLflow serves it: takes images, texts or table rows, returns labels or values.

This file is logged with the model as its code (nothing is pickled), next to the package `headrace_<modality>`: the code
that prepared the training data.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

ROWS_PER_RUN = 256


class Served(PythonModel):
    """Predicts `label` and `confidence` for raw rows; for a regression `prediction`, or one column per target.

    For multilabel data: `labels`, a list, and `probabilities` by name.
    """

    def load_context(self, context: Any) -> None:
        """Loads the graph, its card, and the encoder that turns raw rows into the graph's inputs."""
        import onnxruntime as ort

        self.card = json.loads(Path(context.artifacts["card"]).read_text(encoding="utf-8"))
        self.session = ort.InferenceSession(context.artifacts["graph"], providers=["CPUExecutionProvider"])
        code = import_module(f"headrace_{self.card['modality']}.serving")
        self.encode = code.Encoder(self.card, dict(context.artifacts))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Returns one row per input row; `confidence` is the calibrated probability of the label."""
        rows = model_input.to_dict("records")
        parts = [self._outputs(rows[start : start + ROWS_PER_RUN]) for start in range(0, len(rows), ROWS_PER_RUN)]
        width = max(1, len(self.card["classes"]), len(self.card["targets"]))
        outputs = np.concatenate(parts) if parts else np.empty((0, width), np.float32)
        decoders = {"classification": self._label, "multilabel": self._labels, "regression": self._values}
        return decoders[self.card["task"]](outputs)

    def _outputs(self, rows: list[dict[Any, Any]]) -> Any:
        return self.session.run(None, {self.session.get_inputs()[0].name: self.encode(rows)})[0]

    def _label(self, logits: Any) -> pd.DataFrame:
        scaled = logits / self.card["temperature"]
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        labels = [self.card["classes"][index] for index in probabilities.argmax(axis=1)]
        return pd.DataFrame({"label": labels, "confidence": probabilities.max(axis=1).astype(np.float64)})

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


mlflow.models.set_model(Served())
