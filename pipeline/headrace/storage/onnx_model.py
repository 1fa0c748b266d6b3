"""Prediction with ONNX Runtime: what every stage after `train` judges, and what is served."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError

if TYPE_CHECKING:
    from headrace.storage.arrays import Inputs

ROWS_PER_RUN = 256


class OnnxModel:
    """An exported graph: stored inputs -> logits (classification), or values in the target's unit (regression)."""

    def __init__(self, path: Path, num_threads: int = 0) -> None:
        """Loads the graph; `num_threads` 0 takes every core. Raises DataError when it cannot be loaded."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = num_threads or (os.cpu_count() or 1)
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 ONNX Runtime's own classes derive from nothing narrower
            if not path.is_file():
                raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
            raise DataError(
                f"{path}: not a graph that ONNX Runtime loads ({str(error)[:200]}); run: dvc repro --force"
            ) from None
        self.input_name: str = self._session.get_inputs()[0].name

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """`[rows, *input_shape]`, or rows of ids -> `[rows, outputs]`, ROWS_PER_RUN at a time."""
        parts = [
            self._session.run(None, {self.input_name: np.ascontiguousarray(inputs[start : start + ROWS_PER_RUN])})[0]
            for start in range(0, len(inputs), ROWS_PER_RUN)
        ]
        return np.concatenate(parts)

    def run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """One call of the graph, as a server makes it: what latency is measured on."""
        outputs: NDArray[np.float32] = self._session.run(None, {self.input_name: inputs})[0]
        return outputs
