from typing import get_args

import numpy as np
import pytest
import torch

from headrace.contracts import Batch, Spec, TaskName
from headrace.evaluation.comparison import COMPARISONS
from headrace.evaluation.evaluators import EVALUATORS, find_cutoff, find_evaluator, make_outcomes
from headrace.evaluation.gates.bounds import VALIDATION_METRICS, Bound, Gate, find_gate_mistakes
from headrace.evaluation.metrics.classification import accuracy
from headrace.evaluation.metrics.multilabel import label_accuracy
from headrace.tasks import TASKS

RNG = np.random.default_rng(0)
NUM_ROWS = 200
CASES = {
    "classification": (RNG.normal(size=(NUM_ROWS, 4)), RNG.integers(0, 4, NUM_ROWS)),
    "multilabel": (RNG.normal(size=(NUM_ROWS, 4)), RNG.random((NUM_ROWS, 4)) < 0.3),
    "regression": (RNG.normal(size=(NUM_ROWS, 1)), RNG.normal(size=NUM_ROWS)),
    "multi_target_regression": (RNG.normal(size=(NUM_ROWS, 3)), RNG.normal(size=(NUM_ROWS, 3))),
}
NUMPY_METRICS = {
    "classification": accuracy,
    "multilabel": lambda outputs, targets: label_accuracy(outputs > 0, targets),
    "regression": lambda outputs, targets: np.abs(outputs[:, 0] - targets).mean(),
}


@pytest.mark.parametrize("task", get_args(TaskName))
def test_epoch_metric_in_torch_equals_the_metric_in_numpy(task):
    outputs, targets = CASES[task]
    batch = Batch(torch.empty(NUM_ROWS, 0), torch.from_numpy(targets), torch.ones(NUM_ROWS), NUM_ROWS)
    in_torch = TASKS[task].metric_sums(torch.from_numpy(outputs), batch, {"std": 1.0}) / NUM_ROWS
    assert in_torch.tolist() == pytest.approx([NUMPY_METRICS[task](outputs, targets)], rel=1e-6)


@pytest.mark.parametrize("name", EVALUATORS)
def test_quality_of_exact_outputs_and_agreement_with_itself_are_1(name):
    outputs, targets = CASES[name]
    exact = np.eye(4)[targets] if name == "classification" else (targets - 0.5 if name == "multilabel" else targets)
    evaluator = EVALUATORS[name]
    assert evaluator.quality_by_row(exact.reshape(outputs.shape), targets, 0.0).mean() == 1
    assert evaluator.quality_by_row(outputs, targets, 0.0).mean() < 1
    assert evaluator.agreement(outputs, outputs, 0.0) == 1
    assert evaluator.agreement(outputs, -outputs, 0.0) < 1


@pytest.mark.parametrize("name", EVALUATORS)
def test_mean_quality_by_row_is_the_metric_of_validation(make_predictions, name):
    outputs, targets = CASES[name]
    task = "regression" if name == "multi_target_regression" else name
    several = ["height", "weight", "age"] if name == "multi_target_regression" else []
    predictions = make_predictions(
        outputs, targets, task=task, transform={"target": {"mean": [0.0] * 3, "std": [1.0] * 3}}, targets=several,
        classes=list("abcd"),
    )  # fmt: skip
    metrics = EVALUATORS[name].validate(predictions, 0.9).metrics
    quality = EVALUATORS[name].quality_by_row(outputs, targets, find_cutoff(metrics)).mean()
    assert quality == pytest.approx(metrics[EVALUATORS[name].quality])


@pytest.mark.parametrize(
    ("threshold", "cutoff"), [(0.5, 0.0), (0.0, -np.inf), (1.0, np.inf), (1 / (1 + np.exp(-3)), 6.0)]
)
def test_cutoff_is_the_output_at_the_threshold(threshold, cutoff):
    assert find_cutoff({"micro_f1": 1.0, "temperature": 2.0, "threshold": threshold}) == pytest.approx(cutoff)
    assert find_cutoff({"accuracy": 1.0, "temperature": 2.0, "threshold": threshold}) == 0


@pytest.mark.parametrize(
    ("task", "targets", "expected"),
    [("multilabel", [], "multilabel"), ("regression", [], "regression"),
     ("regression", ["a", "b"], "multi_target_regression")],
)  # fmt: skip
def test_find_evaluator_depends_on_the_task_and_the_number_of_targets(task, targets, expected):
    spec = Spec(modality="table", task=task, source="x", format="table", num_rows=9, targets=targets)
    assert find_evaluator(spec) is EVALUATORS[expected]


@pytest.mark.parametrize("name", EVALUATORS)
def test_gates_know_the_metrics_of_validation(make_predictions, name):
    outputs, targets = CASES[name]
    task = "regression" if name == "multi_target_regression" else name
    targets_named = ["height", "weight", "age"] if name == "multi_target_regression" else []
    transform = {"target": {"mean": [0.0] * 3, "std": [1.0] * 3}}
    predictions = make_predictions(
        outputs, targets, task=task, transform=transform, targets=targets_named, classes=list("abcd")
    )
    metrics = EVALUATORS[name].validate(predictions, 0.9).metrics
    gate = Gate(**{metric: Bound(min=0.0) for metric in metrics})
    assert find_gate_mistakes(gate, [task], "gate") == []
    if not targets_named:
        assert set(metrics) == set(VALIDATION_METRICS[task].names)
    (mistake,) = find_gate_mistakes(Gate(acuracy=Bound(min=0.0)), [task], "gate")
    assert mistake.startswith("gate.acuracy: no such metric; choose one of")


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("classification", "correct", lambda outputs, targets: outputs.argmax(axis=1) == targets),
        ("multilabel", "wrong_share", lambda outputs, targets: ((outputs > 0) != targets).mean(axis=1)),
        ("regression", "error", lambda outputs, targets: outputs[:, 0] - targets),
        ("multi_target_regression", "error", lambda outputs, targets: np.sqrt(((outputs - targets) ** 2).mean(axis=1))),
    ],
)
def test_outcomes_are_one_of_those_that_are_compared(make_predictions, name, column, expected):
    outputs, targets = CASES[name]
    several = name == "multi_target_regression"
    predictions = make_predictions(
        outputs, targets,
        task="regression" if several else name,
        targets=["a", "b", "c"] if several else [],
        classes=list("abcd"),
        transform={"target": {"mean": [0.0] * 3, "std": [1.0] * 3}},
    )  # fmt: skip
    table = make_outcomes(predictions, 0.0)
    assert table.column_names == ["row_id", column]
    assert column in COMPARISONS
    assert table[column].to_numpy() == pytest.approx(expected(outputs, targets), rel=1e-5, abs=1e-6)
