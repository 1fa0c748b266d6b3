"""Several machines for real: a submitted training on three nodes, with broken links and a lost node."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.training.reporting.history import read_history
from tests.e2e.clusters import BUCKET, REPOSITORY, Client, RayHosts, Services
from tests.e2e.hosts import SHARED, open_network, why_impossible
from tests.e2e.test_postgresql import PROGRAMS

NUM_EPOCHS = 30
SETTINGS = {
    "model": {"name": "nets:Net"}, "batch_size": 44, "learning_rate": 0.01, "schedule": "constant",
    "max_epochs": NUM_EPOCHS, "num_workers": 3, "num_threads": 1, "early_stopping": {"patience": 0},
    "augmentation": [],
}  # fmt: skip
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_impossible()), reason=why_impossible()),
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: nodes cannot share an SQLite file"),
]


class Cluster:
    """Six hosts: a head, three nodes, one with MLflow, its database and the S3 API, and one to submit from."""

    def __init__(self, network):
        self.network = network
        self.services = Services(network)
        self.ray = RayHosts(network, self.services.environment)
        self.nodes = self.ray.add_nodes("node1", "node2", "node3")
        self.services.start()
        self.client = Client(network, self.services)
        self.services.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_network(tmp_path_factory.mktemp("hosts")) as network:
        yield Cluster(network)


def train_alone(submitted, root):
    """Trains on this machine, in one process, on the data of a submitted project; returns that project."""
    shutil.copytree(submitted.root / "data" / "normalized", root / "data" / "normalized")
    for name in ("nets.py", "width.txt"):
        shutil.copy(submitted.root / name, root)
    (root / "pause.txt").write_text("0")
    (root / "params.yaml").write_text(json.dumps({"train": SETTINGS | {"num_workers": 0}}))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    subprocess.run([sys.executable, "-m", "headrace", "train"], cwd=root, env=environment, check=True, timeout=300)
    return Paths(root)


def require_equal_training(first, second):
    """Losses of each epoch within 1e-5, and the same classes for the test rows."""
    histories = [read_history(project.plots_dir("train") / "history.csv") for project in (first, second)]
    assert len(histories[0]) == len(histories[1]) == NUM_EPOCHS
    for mine, theirs in zip(*histories, strict=True):
        for name in ("train_loss", "val_loss"):
            assert mine[name] == pytest.approx(theirs[name], abs=1e-5)
    test = open_arrays(first.normalized_dir / "test").inputs
    answers = [read_bundle(project.trained_dir).graph().predict(test).argmax(axis=1) for project in (first, second)]
    assert np.mean(answers[0] == answers[1]) >= 0.999


def test_a_submitted_training_survives_broken_links_and_a_lost_node(cluster, tmp_path):
    network, services = cluster.network, cluster.services
    project = cluster.client.create_project("photos", **SETTINGS)
    (project.root / "pause.txt").write_text("0.4")
    job = cluster.client.submit(project, cluster.ray, "--retries", "2")
    job.wait_for(f"epoch 2/{NUM_EPOCHS}")
    network.unplug(services.host)
    network.unplug(cluster.nodes[0])
    job.process.poll()
    network.plug(cluster.nodes[0])
    reached = len(re.findall(r"^epoch ", job.log, re.MULTILINE))
    job.wait_for(f"epoch {reached + 3}/{NUM_EPOCHS}")
    network.plug(services.host)
    (network.shared_dir / "photos" / "pause.txt").write_text("0")  # for the workers that start next
    lost = cluster.nodes[2]
    network.lose(lost)
    job.wait_for("attempt 1 of 3 ended with exit code 2")
    assert f"rank 2: the node {lost.address} died or is out of reach" in job.log, job.log
    cluster.ray.add_nodes("node4")
    assert job.wait() == 0, job.log
    assert "resumed after epoch" in job.log
    assert f"results: " in job.log
