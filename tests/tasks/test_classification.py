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
    return CLASSIFICATION.loss_options(ResolvedTrainSettings(**settings), TWO if transform is None else transform)


def test_num_outputs_is_one_per_class_and_one_for_bce() -> None:
    assert CLASSIFICATION.num_outputs(SPEC) == 3
    assert CLASSIFICATION.num_outputs(SPEC.model_copy(update={"classes": ["a", "b"]}), "bce") == 1


@given(seed=st.integers(0, 999), num_rows=st.integers(1, 9), smoothing=st.sampled_from([0.0, 0.1, 0.5]))
def test_loss_matches_numpy(seed: int, num_rows: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, 3, (num_rows, 4)), rng.integers(0, 4, num_rows)
    weights = rng.integers(0, 2, num_rows).astype(float)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    smoothed = np.full((num_rows, 4), smoothing / 4)
    smoothed[np.arange(num_rows), targets] += 1 - smoothing
    expected = float((-(smoothed * log_probabilities).sum(axis=1) * weights).sum())
    loss = CLASSIFICATION.loss(
        torch.tensor(logits), batch(targets.tolist(), weights.tolist()), options_of(label_smoothing=smoothing)
    )
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_row_of_weight_0_has_no_effect() -> None:
    logits = torch.tensor([[3.0, 0.0], [9.0, -9.0]], requires_grad=True)
    both = batch([1, 1], [1.0, 0.0])
    loss = CLASSIFICATION.loss(logits, both, {})
    loss.backward()
    assert logits.grad is not None
    assert torch.equal(loss, CLASSIFICATION.loss(logits[:1], batch([1], [1.0]), {}))
    assert not logits.grad[1].any()
    assert logits.grad[0].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_matches_torch_in_value_and_gradient(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 50)
    outputs = torch.tensor(rng.normal(0, 4, (50, 1)), requires_grad=True)
    options = options_of(loss="bce", label_smoothing=smoothing)
    loss = CLASSIFICATION.loss(BinaryLogits()(outputs), batch(targets.tolist(), [1.0] * 50), options)
    smoothed = torch.tensor(targets * (1 - smoothing) + smoothing / 2)
    expected = binary_cross_entropy_with_logits(outputs[:, 0], smoothed, reduction="sum")
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, outputs)[0] for value in (loss, expected)))


def test_class_weights_scale_the_loss_of_each_class() -> None:
    logits = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    first, second = (float(CLASSIFICATION.loss(logits[i : i + 1], batch([i], [1.0]), {})) for i in (0, 1))
    loss = CLASSIFICATION.loss(logits, batch([0, 1], [1.0, 1.0]), options_of(class_weights="balanced"))
    assert float(loss) == pytest.approx(2 / 3 * first + 2 * second)  # 40 / (2 * 30), 40 / (2 * 10)


def test_metric_sums_weight_the_rows() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert float(CLASSIFICATION.metric_sums(logits, batch([0, 1, 0, 0], [1.0, 1.0, 1.0, 0.0]), {})) == 2.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": {"yes": 2.0, "on": 3.0}}, "class_weights.on: no such class; choose one of ['no', 'yes']"),
    ],
)  # fmt: skip
def test_loss_options_of_invalid_settings_raise(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(**settings)
    assert str(caught.value) == f"params.yaml: train.{message}"


def test_loss_options_of_bce_with_ten_classes_raise() -> None:
    with pytest.raises(ConfigError) as caught:
        options_of({"target": {"rows": {str(digit): 5 for digit in range(10)}}}, loss="bce")
    assert str(caught.value) == (
        "params.yaml: train.loss: 'bce' requires 2 classes, and the data have 10; set cross_entropy, or ingest.task:"
        " multilabel if a row may have several"
    )
