"""Several machines for real: a submitted training on three nodes, with broken links and a lost node."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.training.reporting.history import read_history
from tests.e2e.clusters import BUCKET, NET, REPOSITORY, Cluster
from tests.e2e.hosts import SHARED, open_network, why_impossible
from tests.e2e.test_postgresql import PROGRAMS

NUM_EPOCHS = 30
SETTINGS = {
    "model": {"name": "nets:Net"}, "batch_size": 45, "learning_rate": 0.01, "schedule": "constant",
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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_network(tmp_path_factory.mktemp("hosts")) as network:
        yield Cluster(network)


LINK_DOWN_S = 5


def start_alone(submitted, root):
    """Starts a training on this machine, in one process, on the data of a submitted project."""
    shutil.copytree(submitted.normalized_dir, root / "data" / "normalized")
    (root / "nets.py").write_text(NET)
    (root / "width.txt").write_text("16")
    (root / "pause.txt").write_text("0")
    (root / "params.yaml").write_text(json.dumps({"train": SETTINGS | {"num_workers": 0}}))
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


def test_a_submitted_training_survives_broken_links_and_a_lost_node(cluster, tmp_path):
    network, services = cluster.network, cluster.services
    project = cluster.client.create_project("photos", SETTINGS, pause_s=0.4)
    job = cluster.client.submit(project, cluster.ray, "--retries", "2")
    job.wait_for(f"epoch 2/{NUM_EPOCHS}")
    network.unplug(services.host)
    network.unplug(cluster.nodes[0])
    time.sleep(LINK_DOWN_S)
    network.plug(cluster.nodes[0])
    job.wait_for(f"epoch {job.num_epochs + 3}/{NUM_EPOCHS}")
    network.plug(services.host)
    cluster.workspace(project).root.joinpath("pause.txt").write_text("0")  # for the workers that start next
    lost = cluster.nodes[2]
    network.lose(lost)
    cluster.ray.add_nodes("node4")
    alone = start_alone(cluster.workspace(project), tmp_path)
    job.wait_for("attempt 1 of 3 ended with exit code 2")
    assert re.search(rf"rank \d: the node {lost.address} died or is out of reach", job.log), job.log
    assert job.wait() == 0, job.log
    assert "resumed after epoch" in job.log
    assert "Traceback" not in job.log
    assert {path.name for path in cluster.workspace(project).root.joinpath("built").iterdir()} > {"node1", "node4"}
    assert alone.wait(300) == 0
    require_equal_training(Paths(tmp_path), project)
    require_complete_records(services, project)


def start_training(cluster, project, seen_as, **environment):
    """Starts `headrace train` on the head, in a project as the head sees it."""
    environment = cluster.ray.environment | {"RAY_ADDRESS": cluster.ray.address, **environment}
    with (project.root / "train.log").open("w") as log:
        return cluster.ray.head.start(
            sys.executable, "-m", "headrace", "train", folder=seen_as, env=environment, stdout=log, stderr=log
        )


def refusal(process, project):
    """The only line of a refused training that is an error."""
    log = project.root / "train.log"
    assert process.wait(300) == 2, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "\x1b" not in log.read_text()
    return log.read_text().splitlines()[-1]


def test_what_several_nodes_cannot_share_is_refused_in_one_line(cluster):
    shared = cluster.workspace(Paths(SHARED / "photos"))
    private = Paths(cluster.ray.head.folder / "tmp" / "private")
    shutil.copytree(shared.root, private.root, ignore=shutil.ignore_patterns(".dvc", ".headrace", "dvc.*"))
    without_storage = start_training(cluster, private, "/tmp/private", MLFLOW_TRACKING_URI=cluster.services.tracking)
    line = refusal(
        start_training(cluster, shared, SHARED / "photos", MLFLOW_TRACKING_URI="sqlite:////mnt/a.db"), shared
    )
    assert "MLFLOW_TRACKING_URI: runs would be stored in the SQLite file /mnt/a.db" in line
    line = refusal(without_storage, private)
    assert re.search(r"data/normalized: node 10\.77\.0\.\d has no such folder", line)
    assert "HEADRACE_WORKSPACE" in line
