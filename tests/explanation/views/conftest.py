"""A trained project as the views' tests need it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from headrace.contracts import Json
from headrace.explanation.methods.attributions import AttributionRequest, run_network
from headrace.explanation.views import VIEWS
from headrace.explanation.views.base import View
from headrace.models.network import load_network
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle


class Explained(NamedTuple):
    """30 rows of a trained project, and the outputs to explain."""

    view: View
    transform: Json
    network: Any
    inputs: np.ndarray
    answers: np.ndarray

    @property
    def outputs(self) -> np.ndarray:
        return self.answers.argmax(axis=1)

    def maps(self, method: str, num_steps: int = 2) -> np.ndarray:
        return self.view.attribute(AttributionRequest(self.network, self.inputs, self.outputs, method, num_steps))  # type: ignore[arg-type]

    def decrease(self, outputs_without: np.ndarray) -> np.ndarray:
        """How much the explained outputs exceed `outputs_without`."""
        return (self.answers - outputs_without)[np.arange(len(self.inputs)), self.outputs]


@pytest.fixture
def explained(request: pytest.FixtureRequest, built_project: Callable[..., Any]) -> Explained:
    """The project that `request.param` (modality, task) names."""
    paths = built_project(*request.param)
    bundle = read_bundle(paths.trained_dir)
    inputs = open_arrays(paths.normalized_dir / "val").inputs[:30]
    network = load_network(bundle)
    view = VIEWS[bundle.spec.modality](bundle.card.transform)
    return Explained(view, bundle.card.transform, network, inputs, run_network(network, inputs))
