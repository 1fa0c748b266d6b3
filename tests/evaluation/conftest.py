from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.evaluation.predictions import Predictions
from headrace.storage.arrays import Arrays


@pytest.fixture
def make_predictions():
    """Builds Predictions of a table from outputs and actual targets; other arguments are fields of the spec."""

    def make(
        outputs: NDArray[Any], actual: NDArray[Any], *, task: str, transform: Json | None = None, **fields: Any
    ) -> Predictions:
        num_rows = len(outputs)
        rows = Arrays(np.zeros((num_rows, 1), np.float32), actual, np.zeros(num_rows, "S32"))
        spec = Spec(modality="table", task=task, source="x", format="table", num_rows=num_rows, **fields)
        return Predictions(rows, outputs.astype(np.float32), lambda _: outputs, spec, transform or {})

    return make
