"""What a training costs, counted: against counts by hand."""

import json

import pytest

from headrace.contracts import Spec
from headrace.storage.arrays import open_arrays
from headrace.training.autotune.tuner import Machine, counted_threads
from headrace.training.autotune.workload import FLOPS_A_SECOND, SECONDS_A_STEP, Workload, count_workload
from headrace.training.settings import ResolvedTrainSettings


def workload_of(paths, model):
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    spec = Spec.read(paths.normalized_dir)
    return count_workload(model, spec, transform, open_arrays(paths.normalized_dir / "train"))


def test_workload_of_dense_layers_is_what_their_matrices_multiply(trained):
    found = workload_of(trained, {"name": "mlp", "dense": [64]})
    inputs, hidden, outputs = 16 * 16, 64, 3
    forward = 2 * (inputs * hidden + hidden * outputs)
    backward = 2 * inputs * hidden + 2 * 2 * hidden * outputs  # pixels need no gradient
    assert found.flops_a_row == forward + backward
    assert found.num_rows == 500
    assert 10 < found.num_operations < 100
    assert found == workload_of(trained, {"name": "mlp", "dense": [64]}), "counted, so always the same"


def test_workload_in_seconds_is_arithmetic_and_steps():
    workload = Workload(num_rows=1000, flops_a_row=FLOPS_A_SECOND / 1000, num_operations=100)
    settings = ResolvedTrainSettings(max_epochs=3, batch_size=100)
    assert workload.seconds(settings, num_threads=1) == pytest.approx(3 + 30 * SECONDS_A_STEP)
    assert workload.seconds(settings, num_threads=2) == pytest.approx(1.5 + 30 * SECONDS_A_STEP)
    assert workload.seconds(ResolvedTrainSettings(max_epochs=3, batch_size=5000), num_threads=1) == pytest.approx(
        3 + 3 * SECONDS_A_STEP
    )


def test_threads_are_one_where_operations_are_small():
    small, large = Workload(1000, 1e5, 100), Workload(1000, 1e7, 100)
    assert counted_threads(small, 64, Machine(num_workers=0, most_threads=4)) == 1
    assert counted_threads(large, 64, Machine(num_workers=0, most_threads=4)) == 4
    assert counted_threads(large, 16, Machine(num_workers=2, most_threads=2)) == 1, "a worker sees half of the batch"
