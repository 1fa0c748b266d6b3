from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from headrace.contracts import Batch
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.arrays import create_arrays, open_arrays
from headrace.training.data_module import VALIDATION_BATCH_SIZE, ArraysDataModule, Batches
from headrace.training.sampling.batch_order import BatchOrder
from headrace.training.settings import ResolvedTrainSettings

FLIP = [{"name": "HorizontalFlip", "p": 0.5}]


def make_data_module(paths: Paths, rank: int = 0, num_workers: int = 1, **settings: object) -> ArraysDataModule:
    data = ArraysDataModule(
        paths.normalized_dir, ResolvedTrainSettings(batch_size=48, **settings), rank=rank, num_workers=num_workers
    )
    data.setup("fit")
    return data


def test_batches_are_the_rows_of_the_order(trained: Paths) -> None:
    arrays, order = open_arrays(trained.normalized_dir / "train"), BatchOrder(500, 48, 0)
    batches = Batches(arrays, order)
    batches.epoch = 3
    assert len(list(batches)) == len(batches) == 11
    for batch, share in zip(batches, order.shares(3), strict=True):
        assert batch.inputs.dtype == torch.uint8
        assert batch.targets.dtype == torch.int64
        np.testing.assert_array_equal(batch.inputs, arrays.inputs[share.rows])
        np.testing.assert_array_equal(batch.targets, arrays.targets[share.rows])
        assert batch.num_rows == share.num_rows


def test_batches_depend_on_the_epoch(trained: Paths) -> None:
    batches = make_data_module(trained).train_batches
    first = [batch.targets.tolist() for batch in batches]
    assert [batch.targets.tolist() for batch in batches] == first
    batches.epoch = 1
    assert [batch.targets.tolist() for batch in batches] != first


@pytest.mark.parametrize("num_parts", [1, 3])
def test_batches_go_on_behind_those_that_were_read(trained: Paths, num_parts: int) -> None:
    batches = make_data_module(trained, accumulate=num_parts).train_batches
    batches.start_epoch(2)
    whole = [batch.targets.tolist() for batch in batches]
    reader = iter(batches)
    for _ in range(4 * num_parts):
        next(reader)
    resumed = make_data_module(trained, accumulate=num_parts).train_batches
    resumed.start_epoch(2)
    resumed.load_state_dict(batches.state_dict())
    assert [batch.targets.tolist() for batch in resumed] == whole[4 * num_parts :]
    resumed.start_epoch(2)
    assert [batch.targets.tolist() for batch in resumed] == whole


def test_module_of_two_workers_has_the_batches_of_one(trained: Paths) -> None:
    full = list(make_data_module(trained, augmentation=FLIP).train_dataloader())
    halves = [list(make_data_module(trained, rank, 2, augmentation=FLIP).train_dataloader()) for rank in range(2)]
    assert [len(half) for half in halves] == [len(full)] * 2
    for batch, *shares in zip(full, *halves, strict=True):
        assert torch.equal(torch.cat([share.inputs for share in shares]), batch.inputs)
        assert torch.equal(torch.cat([share.targets for share in shares]), batch.targets)
        assert [share.first_row for share in shares] == [0, len(shares[0].targets)]


def test_module_augments_train_rows_only(trained: Paths) -> None:
    plain, flipped = make_data_module(trained), make_data_module(trained, augmentation=FLIP)
    assert any(
        not torch.equal(a.inputs, b.inputs)
        for a, b in zip(plain.train_dataloader(), flipped.train_dataloader(), strict=True)
    )
    for a, b in zip(plain.val_dataloader(), flipped.val_dataloader(), strict=True):
        assert torch.equal(a.inputs, b.inputs)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_module_validates_every_row_once(trained: Paths, num_workers: int) -> None:
    loaders = [list(make_data_module(trained, rank, num_workers).val_dataloader()) for rank in range(num_workers)]
    num_steps = -(-200 // VALIDATION_BATCH_SIZE)
    assert [len(loader) for loader in loaders] == [num_steps] * num_workers
    targets = torch.cat([batch.targets for step in zip(*loaders, strict=True) for batch in step])
    np.testing.assert_array_equal(targets, open_arrays(trained.normalized_dir / "val").targets)


def test_module_of_missing_arrays_fails_with_a_remedy(trained: Paths) -> None:
    (trained.normalized_dir / "val" / "targets.npy").unlink()
    with pytest.raises(DataError, match=r"val/targets\.npy: no such file; run the stages before this one: dvc repro$"):
        make_data_module(trained)


def test_batches_of_text_are_padded_to_their_longest_row(tmp_path: Path) -> None:
    writer = create_arrays(tmp_path / "train", num_rows=5, input_shape=[9], modality="text", task="regression")
    rows = [np.arange(1, length + 1, dtype=np.int32) for length in (9, 1, 2, 4, 3)]
    writer.put(np.arange(5), rows, np.array([0.5, 1.5, 2.5, 3.5, 4.5]))
    writer.close()
    arrays, order = open_arrays(tmp_path / "train"), BatchOrder(5, 2, 0)
    for batch, share in zip(Batches(arrays, order), order.shares(0), strict=True):
        longest = max(len(rows[row]) for row in share.rows)
        assert (batch.inputs.dtype, batch.inputs.shape) == (torch.int32, (len(share.rows), longest))
        assert batch.targets.dtype == torch.float32
        for ids, target, row in zip(batch.inputs.tolist(), batch.targets.tolist(), share.rows.tolist(), strict=True):
            assert ids == rows[row].tolist() + [0] * (longest - len(rows[row]))
            assert target == row + 0.5


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_for_a_gpu_are_pinned(trained: Paths, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)  # needs a GPU
    data = make_data_module(trained)
    batch = next(iter(data.train_dataloader()))
    data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)))
    moved = data.on_before_batch_transfer(batch, 0)
    assert isinstance(moved, Batch)
    assert [id(value) for value in moved] == [id(value) for value in batch]
    assert [id(value) for value in pinned] == ([id(value) for value in batch[:3]] if device == "cuda" else [])
