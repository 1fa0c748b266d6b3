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


def mixer(**settings: Any) -> Mixer:
    made = make_mixer("image", ResolvedTrainSettings(**settings).model_dump(), {})
    assert made is not None
    return made


def loader(paths: Paths, rank: int = 0, num_workers: int = 1, **settings: Any) -> list[Batch]:
    asked = ResolvedTrainSettings(batch_size=48, augmentation=[{"name": "HorizontalFlip"}], **settings)
    made = ArraysDataModule(paths.normalized_dir, asked, rank=rank, num_workers=num_workers)
    made.setup("fit")
    return list(made.train_dataloader())


def tensors(batch: Batch) -> list[torch.Tensor]:
    """What a batch holds of the rows that weigh something."""
    return [value[batch.weights > 0] for value in batch if isinstance(value, torch.Tensor)]


@pytest.mark.parametrize("num_workers", [2, 3, 24])
@pytest.mark.parametrize("settings", MIXES)
def test_mixed_batches_are_the_same_for_any_number_of_workers(
    trained: Paths, settings: dict[str, Any], num_workers: int
) -> None:
    whole = loader(trained, **settings)
    shared = [loader(trained, rank, num_workers, **settings) for rank in range(num_workers)]
    for batch, *own in zip(whole, *shared, strict=True):
        for found, wanted in zip(zip(*map(tensors, own), strict=True), tensors(batch), strict=True):
            assert torch.equal(torch.cat(found), wanted)


def test_mixed_rows_are_those_of_the_plain_batch(trained: Paths) -> None:
    plain, mixed = loader(trained), loader(trained, mixup=0.4)
    arrays, order = open_arrays(trained.normalized_dir / "train"), BatchOrder(500, 48, 0)
    for step, (one, other, share) in enumerate(zip(plain, mixed, order.shares(0), strict=True)):
        pairs = mixer(mixup=0.4).draw_pairs(share, 0, step)
        assert sorted(pairs.partners.tolist()) == list(range(len(share.rows)))
        assert other.partner_targets is not None
        assert other.mix_weights is not None
        np.testing.assert_array_equal(other.partner_targets, arrays.targets[share.rows[pairs.partners]])
        own = other.mix_weights.numpy()[:, None, None, None]
        wanted = own * one.inputs.numpy() + (1 - own) * one.inputs.numpy()[pairs.partners]
        assert np.abs(other.inputs.numpy() - wanted).max() <= 0.5 + 1e-3
        assert torch.equal(one.targets, other.targets)


def test_pairs_are_drawn_anew_for_each_step_epoch_and_seed() -> None:
    (share, *_) = BatchOrder(500, 100, 0).shares(0)
    drawn = [mixer(mixup=0.4, seed=seed).draw_pairs(share, epoch, step).weights
             for seed in (0, 1) for epoch in (0, 1) for step in (0, 1)]  # fmt: skip
    assert len(np.unique(np.stack(drawn))) == 800


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    (share, *_) = BatchOrder(5_000, 5_000, 0).shares(0)
    assert kstest(mixer(mixup=alpha).draw_pairs(share, 0, 0).weights, beta(alpha, alpha).cdf).pvalue > 0.001


def test_with_both_each_step_takes_one() -> None:
    (share, *_) = BatchOrder(100, 10, 0).shares(0)
    made = mixer(mixup=0.2, cutmix=1.0)
    keys = [made.draw_pairs(share, 0, step).key for step in range(400)]
    assert keys.count("mixup") == pytest.approx(200, abs=50)
    assert set(keys) == {"mixup", "cutmix"}


def test_loss_is_that_of_both_targets_by_their_shares() -> None:
    outputs, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    partners, shares = targets.flip(0), torch.tensor([0.0, 0.2, 0.5, 0.7, 1.0, 1.0])
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    batch = Batch(outputs, targets, weights, 5, partners, shares)
    task = TASKS["classification"]
    found = sum_over_mixed(batch, lambda part: task.loss(outputs, part, {}))
    own, others = (cross_entropy(outputs, one, reduction="none") for one in (targets, partners))
    torch.testing.assert_close(found, (weights * (shares * own + (1 - shares) * others)).sum())
    plain = batch._replace(partner_targets=None, mix_weights=None)
    assert split_mixed_batch(plain) == [plain]
