"""A training whose rows and files are on another machine; on real nodes in tests/e2e/test_hosts.py."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from headrace.cluster.workers.caller_files import NUM_AHEAD, CallerFiles, RemoteRows, enter_job
from headrace.errors import Terminated
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import WEIGHTS
from headrace.training.data_module import ArraysDataModule
from headrace.training.fit import PRIVACY_KEY, FitJob, WorkerContext, fit, load_privacy_key, read_result
from headrace.training.resume.checkpoint_store import Position, find_checkpoint
from headrace.training.resume.stop_requests import FileStop
from headrace.training.sampling.batch_order import BatchOrder
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = {"model": {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}, "max_epochs": 2, "batch_size": 44}


class Handle:
    """An actor in this process: calls are counted, and made at once."""

    def __init__(self, actor):
        self.actor, self.num_rows = actor, Counter()

    def __getattr__(self, name):
        return Method(self, name)


class Method:
    def __init__(self, handle, name):
        self.handle, self.name = handle, name

    def remote(self, *arguments):
        if self.name == "gather":
            self.handle.num_rows[arguments[0]] += len(arguments[1])
        return getattr(self.handle.actor, self.name)(*arguments)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("ray.get", lambda value: value)


def make_job(paths, name, **changes):
    work_dir = paths.state_dir / "train" / name
    work_dir.mkdir(parents=True)
    return FitJob(paths.normalized_dir, work_dir, ResolvedTrainSettings(**SETTINGS | changes))


def elsewhere(job, tmp_path):
    """The job as a worker knows it that sees neither of its folders."""
    return replace(job, normalized_dir=tmp_path / "no_such_folder", work_dir=tmp_path / "nor_this")


def make_worker(local):
    return WorkerContext(
        num_threads=1,
        is_remote=True,
        open_split=local.open_split,
        on_checkpoint=local.work_folder.send_checkpoint,
    )


def fit_elsewhere(job, tmp_path):
    handle = Handle(CallerFiles(job.to_json()))
    with enter_job(elsewhere(job, tmp_path), handle) as local:
        fit(local.job, lambda _: None, make_worker(local))
        local.work_folder.send_changes()
    assert not local.job.work_dir.exists()
    return handle


def test_training_elsewhere_equals_one_here_and_reads_each_row_once_an_epoch(trained, tmp_path):
    here, there = make_job(trained, "here"), make_job(trained, "there")
    fit(here, lambda _: None, WorkerContext(num_threads=1))
    handle = fit_elsewhere(there, tmp_path)
    assert (here.work_dir / WEIGHTS).read_bytes() == (there.work_dir / WEIGHTS).read_bytes()
    first, second = (read_result(job.work_dir) for job in (here, there))
    assert [epoch["val_loss"] for epoch in first["history"]] == [epoch["val_loss"] for epoch in second["history"]]
    assert handle.num_rows == {"train": 2 * 500, "val": 2 * 200}


def test_training_elsewhere_is_resumed_from_the_callers_files(trained, tmp_path):
    every = {"checkpoint": {"every_steps": 5, "keep": 2}}
    whole, broken = make_job(trained, "whole", **every), make_job(trained, "broken", **every)
    fit(whole, lambda _: None, WorkerContext(num_threads=1))
    handle = Handle(CallerFiles(broken.to_json()))
    with pytest.raises(RuntimeError, match="lost"), enter_job(elsewhere(broken, tmp_path), handle) as local:

        def stop_after_an_epoch(event):
            if event["kind"] == "epoch" and event["epoch"] == 1:
                raise RuntimeError("lost")

        fit(local.job, stop_after_an_epoch, make_worker(local))
    assert find_checkpoint(broken.work_dir) == Position(epoch=1, batch=8, step=20)
    handle = fit_elsewhere(broken, tmp_path)
    assert handle.num_rows["train"] == 500 - 8 * 44
    assert (whole.work_dir / WEIGHTS).read_bytes() == (broken.work_dir / WEIGHTS).read_bytes()


def test_training_elsewhere_ends_when_the_caller_asks_for_it(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.cluster.workers.caller_files.SECONDS_BETWEEN_QUESTIONS", 0.01)
    job = make_job(trained, "stopped", max_epochs=1000)
    handle = Handle(CallerFiles(job.to_json()))

    def ask(event):
        if event["kind"] == "epoch":
            (job.work_dir / FileStop.NAME).touch()

    with pytest.raises(Terminated), enter_job(elsewhere(job, tmp_path), handle) as local:
        fit(local.job, ask, make_worker(local))
    position = find_checkpoint(job.work_dir)
    assert 1 <= position.epoch < 1000


def test_a_worker_reads_its_share_and_no_more(trained, tmp_path):
    job = make_job(trained, "shares")
    for rank in range(3):
        handle = Handle(CallerFiles(job.to_json()))
        with enter_job(elsewhere(job, tmp_path), handle) as local:
            data = ArraysDataModule(local.job.normalized_dir, job.settings, rank=rank, num_workers=3)
            data.open_split = local.open_split
            data.setup("fit")
            assert sum(len(batch.targets) for batch in data.train_dataloader()) == handle.num_rows["train"]
        assert handle.num_rows["train"] <= 1.05 * 500 / 3
        assert handle.num_rows["val"] == 0


def test_rows_are_requested_ahead_of_need(trained):
    handle = Handle(CallerFiles(make_job(trained, "ahead").to_json()))
    arrays = open_arrays(trained.normalized_dir / "train")
    rows = RemoteRows(handle, "train", len(arrays))
    for index, share in enumerate(rows.read_ahead(BatchOrder(500, 10, 0).shares(0))):
        assert handle.num_rows["train"] == 10 * min(index + NUM_AHEAD + 1, 50)
        np.testing.assert_array_equal(rows[share.rows], arrays.inputs[share.rows])
    assert handle.num_rows["train"] == 500


def test_a_worker_that_sees_the_callers_files_uses_them(trained):
    job = make_job(trained, "shared")
    with enter_job(job, Handle(CallerFiles(job.to_json()))) as local:
        assert local.job == job
        assert local.work_folder is None
        assert isinstance(local.open_split(job.normalized_dir / "train").inputs, np.memmap)


def test_an_old_copy_of_the_data_is_not_used(trained, tmp_path):
    job = make_job(trained, "copy")
    handle = Handle(CallerFiles(job.to_json()))
    targets = trained.normalized_dir / "train" / "targets.npy"
    copied = tmp_path / "copied" / "train" / "targets.npy"
    copied.parent.mkdir(parents=True)
    copied.write_bytes(targets.read_bytes())
    with enter_job(replace(job, normalized_dir=tmp_path / "copied"), handle) as local:
        assert local.work_folder is not None


def test_all_workers_of_a_private_training_have_the_same_key(trained, tmp_path):
    job = make_job(trained, "private", privacy={"epsilon": 3.0})
    actor = Handle(CallerFiles(job.to_json()))
    keys = []
    for _ in range(2):
        with enter_job(elsewhere(job, tmp_path), actor) as local:
            keys.append(load_privacy_key(local.job.settings, local.job.work_dir))
    assert keys[0] == keys[1] == (job.work_dir / PRIVACY_KEY).read_bytes()
