import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import Batch, Spec
from pipeline.tasks import TASKS

CLASSIFICATION = TASKS["classification"]
SPEC = Spec(modality="image", task="classification", source="x", format="folder", num_rows=9, classes=["a", "b", "c"])


def batch(targets: list[int], weights: list[float]) -> Batch:
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


def test_num_correct_counts_rows_by_weight() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert float(CLASSIFICATION.num_correct(logits, batch([0, 1, 0, 0], [1.0, 1.0, 1.0, 0.0]))) == 2.0
