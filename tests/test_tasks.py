import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import Batch, Json, Spec, TaskName
from pipeline.errors import ConfigError
from pipeline.tasks import TASKS

CLASSIFICATION = TASKS["classification"]
REGRESSION = TASKS["regression"]
SPEC = Spec(modality="image", task="classification", source="x", format="folder", num_rows=9, classes=["a", "b", "c"])


def batch(targets: list[int] | list[float], weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def test_num_outputs_is_one_a_class() -> None:
    assert CLASSIFICATION.num_outputs(SPEC) == 3


@given(seed=st.integers(0, 999), num_rows=st.integers(1, 9), smoothing=st.sampled_from([0.0, 0.1, 0.5]))
def test_loss_is_numpys(seed: int, num_rows: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, 3, (num_rows, 4)), rng.integers(0, 4, num_rows)
    weights = rng.integers(0, 2, num_rows).astype(float)
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = np.full((num_rows, 4), smoothing / 4)
    wanted[np.arange(num_rows), targets] += 1 - smoothing
    expected = float((-(wanted * log_shares).sum(axis=1) * weights).sum())
    options = {"label_smoothing": smoothing} if smoothing else {}
    loss = CLASSIFICATION.loss(torch.tensor(logits), batch(targets.tolist(), weights.tolist()), options)
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_row_of_weight_0_counts_nothing() -> None:
    logits = torch.tensor([[3.0, 0.0], [9.0, -9.0]], requires_grad=True)
    both = batch([1, 1], [1.0, 0.0])
    loss = CLASSIFICATION.loss(logits, both, {})
    loss.backward()
    assert logits.grad is not None
    assert torch.equal(loss, CLASSIFICATION.loss(logits[:1], batch([1], [1.0]), {}))
    assert not logits.grad[1].any()
    assert logits.grad[0].any()


def test_accuracy_counts_rows_by_weight() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert float(CLASSIFICATION.figures(logits, batch([0, 1, 0, 0], [1.0, 1.0, 1.0, 0.0]))) == 2.0


def test_accuracy_and_agreement_compare_largest_logits() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]], np.float32)
    assert CLASSIFICATION.score(logits, np.array([0, 1, 0, 0])) == 0.75
    assert CLASSIFICATION.agreement(logits, 5 * logits) == 1
    assert CLASSIFICATION.agreement(logits, -logits) == 0


def test_regression_has_one_output() -> None:
    assert REGRESSION.num_outputs(SPEC.model_copy(update={"task": "regression", "classes": []})) == 1


def options_of(loss: str, std: float = 1.0) -> Json:
    return REGRESSION.loss_options({"loss": loss, "label_smoothing": 0.0}, {"target": {"mean": 9.0, "std": std}})


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("auto", 0.25 + 9), ("mse", 0.25 + 9), ("mae", 0.5 + 3), ("huber", 0.125 + 2.5)],
)
def test_losses_are_of_standardised_errors(loss: str, expected: float) -> None:
    outputs, targets = torch.tensor([[101.0], [94.0], [7.0]]), [100.0, 100.0, 100.0]  # errors 0.5 and 3 deviations
    found = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0, 0.0]), options_of(loss, std=2.0))
    assert float(found) == pytest.approx(expected)


def test_loss_is_the_same_in_any_unit_of_the_target() -> None:
    outputs, targets = torch.tensor([[1.5], [-3.0]]), [1.0, 2.0]
    scaled = [1000 * target for target in targets]
    first = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0]), options_of("huber"))
    assert float(REGRESSION.loss(1000 * outputs, batch(scaled, [1.0, 1.0]), options_of("huber", 1000.0))) == (
        pytest.approx(float(first))
    )


def test_mae_is_in_the_targets_unit() -> None:
    found = REGRESSION.figures(torch.tensor([[101.0], [94.0], [7.0]]), batch([100.0, 100.0, 100.0], [1.0, 1.0, 0.0]))
    assert float(found) == 7.0


def test_r2_is_scikit_learns() -> None:
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    targets = rng.normal(1e4, 5, 50).astype(np.float32)
    values = (targets + rng.normal(0, 2, 50)).astype(np.float32)[:, None]
    assert REGRESSION.score(values, targets) == pytest.approx(r2_score(targets, values[:, 0]), abs=1e-6)
    assert REGRESSION.agreement(values, values) == 1
    assert REGRESSION.agreement(values + 1, values) < 1


@pytest.mark.parametrize(("values", "expected"), [([[2.0], [2.0]], 1.0), ([[2.0], [2.5]], 0.0)])
def test_r2_of_targets_that_are_all_equal(values: list[list[float]], expected: float) -> None:
    assert REGRESSION.score(np.array(values, np.float32), np.array([2.0, 2.0], np.float32)) == expected


@pytest.mark.parametrize(
    ("task", "changed", "told"),
    [
        ("classification", {"loss": "mse"}, "loss: 'mse' is of regression, and the data have classes; set auto"),
        ("regression", {"label_smoothing": 0.1},
         "label_smoothing: 0.1 is of classification, and the data have values; set 0"),
    ],
)  # fmt: skip
def test_settings_of_another_task_are_refused(task: TaskName, changed: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TASKS[task].loss_options({"loss": "auto", "label_smoothing": 0.0, **changed}, {})
    assert str(caught.value) == f"params.yaml: train.{told}"
