"""A private training on real Ray workers: the same batches and the same noise as on one."""

import pytest

from headrace.cluster.session import num_local_cpus, ray_session
from headrace.cluster.training import fit_on_workers
from headrace.training.fit import KEY, FitJob, WorkerContext, fit, read_result
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = {
    "model": {"name": "cnn", "blocks": [8, "pool"], "dense": [16], "activation": "tanh"},
    "max_epochs": 3,
    "batch_size": 44,
    "privacy": {"epsilon": 10.0},
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(num_local_cpus() < 2, reason="two workers take two cores")
def test_two_workers_train_privately_as_one(trained):
    jobs = []
    for name in ("alone", "both"):
        work_dir = trained.state_dir / "train" / name
        work_dir.mkdir(parents=True)
        (work_dir / KEY).write_bytes(b"k" * 32)
        jobs.append(FitJob(str(trained.normalized_dir), str(work_dir), ResolvedTrainSettings(**SETTINGS).model_dump()))
    alone, both = jobs
    fit(alone, lambda _: None, WorkerContext(num_threads=1))
    with ray_session(trained, num_cpus_needed=2):
        fit_on_workers(both, lambda _: None, num_workers=2, num_threads=1, paths=trained)
    first, second = (read_result(trained.state_dir / "train" / name) for name in ("alone", "both"))
    assert first["steps"] == second["steps"] == 36
    assert first["privacy"] == second["privacy"]
    names = ("train_loss", "val_loss", "val_accuracy")
    for mine, theirs in zip(first["history"], second["history"], strict=True):
        assert [mine[name] for name in names] == pytest.approx([theirs[name] for name in names], rel=2e-3, abs=2e-3)
