"""The model as MLflow serves it: encoded images in, labels out. Needs onnxruntime, numpy, pandas and an image decoder.

This file travels with the model as its code (models from code: nothing is pickled), beside `headrace_image`, the
decoding and resizing that the training data went through.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

ROWS_PER_RUN = 256


class ServedClassifier(PythonModel):
    """A column `image` of encoded images (PNG, JPEG, ...) -> `label` and `confidence`."""

    def load_context(self, context: Any) -> None:
        """Loads the graph and its card."""
        import onnxruntime as ort

        self.card = json.loads(Path(context.artifacts["card"]).read_text(encoding="utf-8"))
        self.session = ort.InferenceSession(context.artifacts["graph"], providers=["CPUExecutionProvider"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """One row an image; a confidence is the calibrated probability of the label."""
        images = list(model_input["image"])
        parts = [self._logits(images[start : start + ROWS_PER_RUN]) for start in range(0, len(images), ROWS_PER_RUN)]
        logits = np.concatenate(parts) if parts else np.empty((0, len(self.card["classes"])), np.float32)
        scaled = logits / self.card["temperature"]
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        labels = [self.card["classes"][index] for index in probabilities.argmax(axis=1)]
        return pd.DataFrame({"label": labels, "confidence": probabilities.max(axis=1).astype(np.float64)})

    def _logits(self, images: list[bytes]) -> Any:
        from headrace_image.decode import decode  # type: ignore[import-not-found]
        from headrace_image.resize import fit_to, with_channels  # type: ignore[import-not-found]

        height, width, channels = self.card["input_shape"]
        rows = [fit_to(with_channels(decode(data), channels), (height, width), self.card["resize"]) for data in images]
        return self.session.run(None, {self.session.get_inputs()[0].name: np.stack(rows)})[0]


mlflow.models.set_model(ServedClassifier())
