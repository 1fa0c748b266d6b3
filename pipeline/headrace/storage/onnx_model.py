"""Prediction with ONNX Runtime, as in every stage after `train` and in serving."""

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


def count_threads(num_threads: int) -> int:
    """Threads that ONNX Runtime uses; 0 stands for every core."""
    return num_threads or os.cpu_count() or 1


class OnnxModel:
    """An exported graph: stored inputs -> logits (classification), or values in the unit of the target (regression)."""

    def __init__(self, path: Path, num_threads: int = 0) -> None:
        """Loads the graph; `num_threads` 0 uses every core. Raises DataError if it cannot be loaded."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = count_threads(num_threads)
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 ONNX Runtime's own classes derive from nothing narrower
            if not path.is_file():
                raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
            raise DataError(
                f"{path}: not a graph that ONNX Runtime can load ({str(error)[:200]}); run: dvc repro --force"
            ) from None
        self.input_name: str = self._session.get_inputs()[0].name

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """`[rows, *input_shape]`, or a Ragged of token ids -> `[rows, outputs]`; runs ROWS_PER_RUN rows at a time."""
        outputs = [
            self._session.run(None, {self.input_name: np.ascontiguousarray(inputs[start : start + ROWS_PER_RUN])})[0]
            for start in range(0, len(inputs), ROWS_PER_RUN)
        ]
        return np.concatenate(outputs)

    def run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Runs the graph once, as a server does; latency is measured on this."""
        outputs: NDArray[np.float32] = self._session.run(None, {self.input_name: inputs})[0]
        return outputs
