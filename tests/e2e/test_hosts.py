"""Several machines for real: a submitted training on three nodes, with broken links and a lost node."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.training.reporting.history import read_history
from tests.e2e.clusters import BUCKET, REPOSITORY, Cluster, find_upload
from tests.e2e.hosts import open_network, why_impossible
from tests.e2e.test_postgresql import PROGRAMS

NUM_EPOCHS = 30
SETTINGS = {
    "model": {"name": "nets:Net"}, "batch_size": 45, "learning_rate": 0.01, "schedule": "constant",
    "max_epochs": NUM_EPOCHS, "num_workers": 3, "num_threads": 1, "early_stopping": {"patience": 0},
    "augmentation": [], "keep": "last",
}  # fmt: skip
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(why_impossible()), reason=why_impossible()),
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: nodes cannot share an SQLite file"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_network(tmp_path_factory.mktemp("hosts")) as network:
        yield Cluster(network, **GIVES_UP_SOON)


LINK_DOWN_S = 5
GIVES_UP_SOON = {
    f"RAY_health_check_{name}": value
    for name, value in {"period_ms": "1000", "timeout_ms": "3000", "failure_threshold": "5"}.items()
}
"""A node that is silent is given up after 20 s, where Ray's own values wait for a minute."""


def copy_project(project, root, **changes):
    """A project as it stands after `normalize`, without the settings of other stages."""
    shutil.copytree(project.normalized_dir, root / "data" / "normalized")
    for name in ("nets.py", "width.txt"):
        shutil.copy(project.root / name, root)
    (root / "params.yaml").write_text(json.dumps({"train": SETTINGS | changes}))


def start_alone(submitted, root):
    """Starts a training on this machine, in one process, on the data of a submitted project."""
    copy_project(submitted, root, num_workers=0)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen([sys.executable, "-m", "headrace", "train"], cwd=root, env=environment)


def read_losses(project):
    history = read_history(project.plots_dir("train") / "history.csv")
    return {name: [epoch[name] for epoch in history] for name in ("train_loss", "val_loss")}


def require_equal_training(first, second):
    """Losses of each epoch within 1e-5, and the same class for 99.9 % of the test rows."""
    mine, theirs = read_losses(first), read_losses(second)
    assert len(mine["val_loss"]) == NUM_EPOCHS
    for name, values in mine.items():
        np.testing.assert_allclose(values, theirs[name], rtol=0, atol=1e-5)
    test = open_arrays(first.normalized_dir / "test").inputs
    answers = [read_bundle(project.trained_dir).graph().predict(test).argmax(axis=1) for project in (first, second)]
    assert np.mean(answers[0] == answers[1]) >= 0.999


def require_complete_records(services, project, num_runs=1):
    """Only finished runs, the last one with each epoch once; artifacts and outs in the bucket; a version."""
    (experiment,) = services.post("experiments/search", max_results=10, filter="name = 'headrace'")["experiments"]
    runs = services.post("runs/search", experiment_ids=[experiment["experiment_id"]], max_results=10)["runs"]
    assert [run["info"]["status"] for run in runs] == ["FINISHED"] * num_runs
    recorded = services.history(runs[0]["info"]["run_id"], "fit/val_loss")
    np.testing.assert_allclose(recorded, read_losses(project)["val_loss"], rtol=0, atol=1e-6)
    objects = services.fetch(f"{services.environment['AWS_ENDPOINT_URL']}/{BUCKET}?list-type=2") or ""
    assert "<Key>mlflow/" in objects
    assert "<Key>dvc/files/md5/" in objects
    assert json.loads((project.root / "registered.json").read_bytes())["version"] == 1


def test_three_nodes_without_a_shared_disk_survive_broken_links_and_a_lost_node(cluster, tmp_path):
    network, services = cluster.network, cluster.services
    project = cluster.client.create_project("photos", SETTINGS)
    cluster.set_pause(0.4)
    job = cluster.client.submit(project, cluster.ray, "--retries", "2")
    job.wait_for(f"epoch 2/{NUM_EPOCHS}")
    network.unplug(services.host)
    network.unplug(cluster.nodes[0])
    time.sleep(LINK_DOWN_S)
    network.plug(cluster.nodes[0])
    job.wait_for(f"epoch {job.num_epochs + 3}/{NUM_EPOCHS}")
    network.plug(services.host)
    lost = cluster.nodes[2]
    network.lose(lost)
    cluster.set_pause(0)
    (new,) = cluster.ray.add_nodes("node4")
    alone = start_alone(find_upload(cluster.ray.head), tmp_path)
    job.wait_for("attempt 1 of 3 ended with exit code 2")
    assert re.search(rf"rank \d: the node {lost.address} died or is out of reach", job.log), job.log
    assert job.wait() == 0, job.log
    assert "resumed after epoch" in job.log
    assert "Traceback" not in job.log
    for host in (*cluster.nodes, new):
        assert (find_upload(host).root / "built" / host.name).is_file()
        assert not find_upload(host).normalized_dir.exists(), "no node has the data"
    assert alone.wait(300) == 0
    require_equal_training(Paths(tmp_path), project)
    require_complete_records(services, project)


def test_runs_in_an_sqlite_file_are_refused_in_one_line(cluster):
    folder = cluster.ray.head.folder / "tmp" / "refused"
    copy_project(Paths(cluster.client.host.folder / "tmp" / "photos"), folder)
    environment = cluster.ray.environment | {"RAY_ADDRESS": cluster.ray.address}
    training = cluster.ray.head.start(
        sys.executable, "-m", "headrace", "train", folder=Path("/tmp/refused"), env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    output = training.communicate(timeout=300)[0]
    assert training.returncode == 2, output
    assert "Traceback" not in output
    line = output.splitlines()[-1]
    assert "MLFLOW_TRACKING_URI: runs would be stored in the SQLite file mlflow.db, which the 4 nodes of this" in line
