from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest
from torch.nn.functional import cross_entropy

from headrace.contracts import Batch
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.tasks import TASKS
from headrace.training.data_module import ArraysDataModule
from headrace.training.sampling.batch_order import BatchOrder
from headrace.training.sampling.mixup import Mixer, make_mixer, split_mixed_batch, sum_over_mixed
from headrace.training.settings import ResolvedTrainSettings

MIXES: list[dict[str, Any]] = [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]


def build_mixer(**settings: Any) -> Mixer:
    mixer = make_mixer("image", ResolvedTrainSettings(**settings), {})
    assert mixer is not None
    return mixer


def load_batches(paths: Paths, rank: int = 0, num_workers: int = 1, **settings: Any) -> list[Batch]:
    resolved = ResolvedTrainSettings(batch_size=48, augmentation=[{"name": "HorizontalFlip"}], **settings)
    data = ArraysDataModule(paths.normalized_dir, resolved, rank=rank, num_workers=num_workers)
    data.setup("fit")
    return list(data.train_dataloader())


def get_tensors(batch: Batch) -> list[torch.Tensor]:
    """Returns the tensors of a batch, for its rows with a weight."""
    return [value[batch.weights > 0] for value in batch if isinstance(value, torch.Tensor)]


@pytest.mark.parametrize("num_workers", [2, 3, 24])
@pytest.mark.parametrize("settings", MIXES)
def test_mixed_batches_are_the_same_for_any_number_of_workers(
    trained: Paths, settings: dict[str, Any], num_workers: int
) -> None:
    full = load_batches(trained, **settings)
    shares = [load_batches(trained, rank, num_workers, **settings) for rank in range(num_workers)]
    for batch, *parts in zip(full, *shares, strict=True):
        for tensors, expected in zip(zip(*map(get_tensors, parts), strict=True), get_tensors(batch), strict=True):
            assert torch.equal(torch.cat(tensors), expected)


def test_mixed_rows_are_pairs_of_the_plain_batch(trained: Paths) -> None:
    plain, mixed = load_batches(trained), load_batches(trained, mixup=0.4)
    arrays, order = open_arrays(trained.normalized_dir / "train"), BatchOrder(500, 48, 0)
    for step, (batch, mixed_batch, share) in enumerate(zip(plain, mixed, order.shares(0), strict=True)):
        pairs = build_mixer(mixup=0.4).draw_pairs(share, 0, step)
        assert sorted(pairs.partners.tolist()) == list(range(len(share.rows)))
        assert mixed_batch.partner_targets is not None
        assert mixed_batch.mix_weights is not None
        np.testing.assert_array_equal(mixed_batch.partner_targets, arrays.targets[share.rows[pairs.partners]])
        own = mixed_batch.mix_weights.numpy()[:, None, None, None]
        expected = own * batch.inputs.numpy() + (1 - own) * batch.inputs.numpy()[pairs.partners]
        assert np.abs(mixed_batch.inputs.numpy() - expected).max() <= 0.5 + 1e-3
        assert torch.equal(batch.targets, mixed_batch.targets)


def test_pairs_differ_between_steps_epochs_and_seeds() -> None:
    (share, *_) = BatchOrder(500, 100, 0).shares(0)
    drawn = [build_mixer(mixup=0.4, seed=seed).draw_pairs(share, epoch, step).weights
             for seed in (0, 1) for epoch in (0, 1) for step in (0, 1)]  # fmt: skip
    assert len(np.unique(np.stack(drawn))) == 800


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    (share, *_) = BatchOrder(5_000, 5_000, 0).shares(0)
    assert kstest(build_mixer(mixup=alpha).draw_pairs(share, 0, 0).weights, beta(alpha, alpha).cdf).pvalue > 0.001


def test_mixer_with_both_draws_one_for_each_step() -> None:
    (share, *_) = BatchOrder(100, 10, 0).shares(0)
    mixer = build_mixer(mixup=0.2, cutmix=1.0)
    keys = [mixer.draw_pairs(share, 0, step).key for step in range(400)]
    assert keys.count("mixup") == pytest.approx(200, abs=50)
    assert set(keys) == {"mixup", "cutmix"}


def test_loss_is_the_weighted_sum_for_both_targets() -> None:
    outputs, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    partners, mix_weights = targets.flip(0), torch.tensor([0.0, 0.2, 0.5, 0.7, 1.0, 1.0])
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    batch = Batch(outputs, targets, weights, 5, partners, mix_weights)
    task = TASKS["classification"]
    loss = sum_over_mixed(batch, lambda part: task.loss(outputs, part, {}))
    own, others = (cross_entropy(outputs, labels, reduction="none") for labels in (targets, partners))
    torch.testing.assert_close(loss, (weights * (mix_weights * own + (1 - mix_weights) * others)).sum())
    plain = batch._replace(partner_targets=None, mix_weights=None)
    assert split_mixed_batch(plain) == [plain]
