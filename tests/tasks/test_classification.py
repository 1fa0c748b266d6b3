from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.models.network import BinaryLogits
from headrace.tasks import TASKS
from headrace.training.settings import ResolvedTrainSettings

CLASSIFICATION = TASKS["classification"]
SPEC = Spec(modality="image", task="classification", source="x", format="folder", num_rows=9, classes=["a", "b", "c"])
TWO: Json = {"target": {"rows": {"no": 30, "yes": 10}}}


def batch(targets: list[int], weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def options_of(transform: Json | None = None, **settings: Any) -> Json:
    return CLASSIFICATION.loss_options(
        ResolvedTrainSettings(**settings).model_dump(), TWO if transform is None else transform
    )


def test_num_outputs_is_one_a_class_and_one_for_bce() -> None:
    assert CLASSIFICATION.num_outputs(SPEC) == 3
    assert CLASSIFICATION.num_outputs(SPEC.model_copy(update={"classes": ["a", "b"]}), "bce") == 1


@given(seed=st.integers(0, 999), num_rows=st.integers(1, 9), smoothing=st.sampled_from([0.0, 0.1, 0.5]))
def test_loss_is_numpys(seed: int, num_rows: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, 3, (num_rows, 4)), rng.integers(0, 4, num_rows)
    weights = rng.integers(0, 2, num_rows).astype(float)
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = np.full((num_rows, 4), smoothing / 4)
    wanted[np.arange(num_rows), targets] += 1 - smoothing
    expected = float((-(wanted * log_shares).sum(axis=1) * weights).sum())
    loss = CLASSIFICATION.loss(
        torch.tensor(logits), batch(targets.tolist(), weights.tolist()), options_of(label_smoothing=smoothing)
    )
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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_is_torchs_in_value_and_slope(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 50)
    outputs = torch.tensor(rng.normal(0, 4, (50, 1)), requires_grad=True)
    options = options_of(loss="bce", label_smoothing=smoothing)
    found = CLASSIFICATION.loss(BinaryLogits()(outputs), batch(targets.tolist(), [1.0] * 50), options)
    wanted = torch.tensor(targets * (1 - smoothing) + smoothing / 2)
    expected = binary_cross_entropy_with_logits(outputs[:, 0], wanted, reduction="sum")
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, outputs)[0] for loss in (found, expected)))


def test_two_logits_have_sigmoids_probability() -> None:
    outputs = torch.tensor([[-3.0], [0.0], [2.0]])
    torch.testing.assert_close(torch.softmax(BinaryLogits()(outputs), dim=1)[:, 1:], torch.sigmoid(outputs))


def test_class_weights_count_rows_by_their_class() -> None:
    logits = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    first, second = (float(CLASSIFICATION.loss(logits[i : i + 1], batch([i], [1.0]), {})) for i in (0, 1))
    found = CLASSIFICATION.loss(logits, batch([0, 1], [1.0, 1.0]), options_of(class_weights="balanced"))
    assert float(found) == pytest.approx(2 / 3 * first + 2 * second)  # 40 / (2 * 30), 40 / (2 * 10)


def test_accuracy_counts_rows_by_weight() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert float(CLASSIFICATION.metric_sums(logits, batch([0, 1, 0, 0], [1.0, 1.0, 1.0, 0.0]), {})) == 2.0


def test_accuracy_and_agreement_compare_largest_logits() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]], np.float32)
    assert CLASSIFICATION.score(logits, np.array([0, 1, 0, 0])) == 0.75
    assert CLASSIFICATION.agreement(logits, 5 * logits) == 1
    assert CLASSIFICATION.agreement(logits, -logits) == 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"loss": "mse"}, "loss: 'mse' is no loss of data that have classes; choose one of"
         " ['auto', 'cross_entropy', 'focal', 'bce']"),
        ({"class_weights": {"yes": 2.0, "on": 3.0}}, "class_weights.on: no such class; choose one of ['no', 'yes']"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(**settings)
    assert str(caught.value) == f"params.yaml: train.{told}"


def test_bce_of_ten_classes_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        options_of({"target": {"rows": {str(digit): 5 for digit in range(10)}}}, loss="bce")
    assert str(caught.value) == (
        "params.yaml: train.loss: 'bce' is of 2 classes, and the data have 10; set cross_entropy, or, where a row may"
        " have several, ingest.task: multilabel"
    )
