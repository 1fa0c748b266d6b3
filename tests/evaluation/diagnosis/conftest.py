"""Subjects of a diagnosis: rows and models of a few lines, whose answers are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.predictions import Predictions
from headrace.storage.arrays import Arrays, create_arrays
from tests.drawn import row_id

CALIBRATION = {"temperature": 1.0, "threshold": 0.5, "interval_90": 1.0, "interval_90_a": 1.0, "interval_90_b": 1.0}


@pytest.fixture
def make_subject(tmp_path: Path) -> Callable[..., Subject]:
    """Builds a Subject from stored inputs, targets and a model; the validation rows have the same inputs."""

    def make(
        inputs: NDArray[Any], actual: NDArray[Any], predict: Callable[[Any], NDArray[Any]], *,
        modality: str = "table", task: str = "classification", transform: Json | None = None, slices: Any = None,
        folder: Path = tmp_path,
        **fields: Any,
    ) -> Subject:  # fmt: skip
        row_ids = np.array(sorted(row_id(index).encode() for index in range(len(actual))), "S32")
        spec = Spec(modality=modality, task=task, source="x", format="x", num_rows=len(actual), **fields)
        arrays = Arrays(inputs, actual, row_ids)
        run = lambda rows: np.asarray(predict(rows[:]), np.float32)  # noqa: E731 - reads memory-mapped rows
        predictions = Predictions(arrays, run(inputs), run, spec, transform or {})
        evaluator = find_evaluator(spec)
        result = evaluator.evaluate(predictions, slices or {}, CALIBRATION.__getitem__, 0)
        writer = create_arrays(
            folder / "val", num_rows=len(actual), input_shape=list(inputs.shape[1:]), modality=modality, task=task,
            target_shape=actual.shape[1:],
        )  # fmt: skip
        writer.put(np.arange(len(actual)), inputs if modality != "text" else [row[row != 0] for row in inputs], actual)
        writer.close()
        return Subject(
            predictions=predictions, result=result, slices=slices or {}, quality=evaluator.quality,
            quality_by_row=lambda outputs, truth: evaluator.quality_by_row(outputs, truth, 0.0),
            clean_dir=folder / "clean", val_dir=folder / "val",
            sources=pa.chunked_array([[f"file.csv:{index}" for index in range(len(actual))]]), seed=0,
        )  # fmt: skip

    return make
