import json

import pytest

from headrace.contracts import Spec
from headrace.storage.arrays import open_arrays
from headrace.training.autotune.workload import FLOPS_PER_SECOND, SECONDS_PER_STEP, Workload, count_workload
from headrace.training.settings import ResolvedTrainSettings


def count(paths, model):
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    spec = Spec.read(paths.normalized_dir)
    return count_workload(model, spec, transform, open_arrays(paths.normalized_dir / "train"))


def test_workload_of_dense_layers_is_that_of_their_matrix_products(trained):
    workload = count(trained, {"name": "mlp", "dense": [64]})
    inputs, hidden, outputs = 16 * 16, 64, 3
    forward = 2 * (inputs * hidden + hidden * outputs)
    backward = 2 * inputs * hidden + 2 * 2 * hidden * outputs  # pixels need no gradient
    assert workload.flops_per_row == forward + backward
    assert workload.num_rows == 500
    assert 10 < workload.num_operations < 100
    assert workload == count(trained, {"name": "mlp", "dense": [64]}), "it is counted, so it never varies"


def test_estimate_is_arithmetic_and_overhead_of_steps():
    workload = Workload(num_rows=1000, flops_per_row=FLOPS_PER_SECOND / 1000, num_operations=100)
    settings, one_batch = (ResolvedTrainSettings(max_epochs=3, batch_size=size) for size in (100, 5000))
    assert workload.estimate_seconds(settings, num_threads=1) == pytest.approx(3 + 30 * SECONDS_PER_STEP)
    assert workload.estimate_seconds(settings, num_threads=2) == pytest.approx(1.5 + 30 * SECONDS_PER_STEP)
    assert workload.estimate_seconds(one_batch, num_threads=1) == pytest.approx(3 + 3 * SECONDS_PER_STEP)
