"""Several machines for real: trained on two nodes as on one, and what is said where that cannot work."""

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
from tests.e2e.hosts import SHARED, RayHosts, open_network, why_impossible
from tests.e2e.test_postgresql import OTHER_USER, PROGRAMS

REPOSITORY = Path(__file__).resolve().parents[2]
NET = """
import socket
from pathlib import Path
from torch import nn
from headrace.config import Section


class Net(Section):
    def build(self, input_shape, num_outputs):
        width = int(Path("width.txt").read_text())  # relative to the project
        Path("built").mkdir(exist_ok=True)
        Path("built", socket.gethostname()).touch()
        return nn.Sequential(nn.Flatten(), nn.Linear(256, width), nn.Tanh(), nn.Linear(width, num_outputs))
"""
SETTINGS = {
    "model": {"name": "nets:Net"}, "batch_size": 44, "learning_rate": 0.01, "schedule": "constant", "max_epochs": 4,
    "num_workers": 2, "num_threads": 1, "early_stopping": {"patience": 0},
}  # fmt: skip
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_impossible()), reason=why_impossible()),
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: nodes cannot share an SQLite file"),
]


class Cluster:
    """A head and two nodes with Ray, and a host with the database of the runs."""

    def __init__(self, network, trained_root):
        self.ray = RayHosts(network)
        self.nodes = self.ray.add_nodes("node1", "node2")
        self.database = network.add("database")
        self.shared_dir, self.trained_root = network.shared_dir, trained_root
        self._start_database()

    def _start_database(self):
        host, data = self.database, "/tmp/data"
        as_other = ("setpriv", f"--reuid={OTHER_USER}", "--clear-groups")
        (host.folder / "tmp").chmod(0o1777)
        host.call(
            *as_other, f"{PROGRAMS}/initdb", "-D", data, "-U", "mlflow", "--auth=trust", "-E", "UTF8", "--locale=C"
        )
        (host.folder / "tmp" / "data" / "pg_hba.conf").write_text("host all all 10.77.0.0/24 trust\n")
        options = "-c listen_addresses=* -c unix_socket_directories=/tmp -c fsync=off"
        host.call(*as_other, f"{PROGRAMS}/pg_ctl", "-D", data, "-o", options, "-l", "/tmp/log", "-w", "start")
        self.tracking = f"postgresql://mlflow@{host.address}/postgres"

    def project(self, name, folder=None, **changes):
        """A project as it stands after `normalize`; on the shared folder unless `folder` is given."""
        root = (folder or self.shared_dir) / name
        shutil.copytree(self.trained_root / "data", root / "data")
        (root / "nets.py").write_text(NET)
        (root / "width.txt").write_text("16")
        (root / "params.yaml").write_text(json.dumps({"train": SETTINGS | changes}))
        return Paths(root)

    def start(self, project, seen_as=None, tracking=None):
        """Starts `headrace train` on the head, in the project as the head sees it."""
        environment = self.ray.environment | {
            "RAY_ADDRESS": self.ray.address, "MLFLOW_TRACKING_URI": tracking or self.tracking,
            "PYTHONPATH": str(REPOSITORY / "pipeline"),
        }  # fmt: skip
        with (project.root / "train.log").open("w") as log:
            return self.ray.head.start(
                sys.executable, "-m", "headrace", "train", folder=seen_as or SHARED / project.root.name,
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, trained_root):
    with open_network(tmp_path_factory.mktemp("hosts")) as network:
        yield Cluster(network, trained_root)


def log_of(project):
    return (project.root / "train.log").read_text()


def refusal(process, project):
    """The only line of a refused training that is an error."""
    assert process.wait(180) == 2, log_of(project)
    assert "Traceback" not in log_of(project)
    assert "\x1b" not in log_of(project)
    return log_of(project).splitlines()[-1]


def test_two_nodes_train_as_one_machine(cluster):
    both = cluster.project("both")
    training = cluster.start(both)
    alone = cluster.project("alone", num_workers=0)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    subprocess.run(
        [sys.executable, "-m", "headrace", "train"], cwd=alone.root, env=environment, check=True, timeout=180
    )
    assert training.wait(240) == 0, log_of(both)
    assert {path.name for path in (both.root / "built").iterdir()} >= {"node1", "node2"}
    first, second = (read_history(project.plots_dir("train") / "history.csv") for project in (alone, both))
    assert len(first) == len(second) == 4
    for mine, theirs in zip(first, second, strict=True):
        for name in ("train_loss", "val_loss"):
            assert mine[name] == pytest.approx(theirs[name], abs=1e-5)
    test = open_arrays(alone.normalized_dir / "test").inputs
    answers = [read_bundle(project.trained_dir).graph().predict(test).argmax(axis=1) for project in (alone, both)]
    assert np.mean(answers[0] == answers[1]) >= 0.999


def test_what_several_nodes_cannot_share_is_refused_in_one_line(cluster):
    private = cluster.project("private", folder=cluster.ray.head.folder / "tmp")
    without_storage = cluster.start(private, seen_as=Path("/tmp/private"))
    with_file = cluster.project("with_file")
    line = refusal(cluster.start(with_file, tracking="sqlite:////mnt/mlflow.db"), with_file)
    assert "MLFLOW_TRACKING_URI: runs would be stored in the SQLite file /mnt/mlflow.db" in line
    assert not (with_file.root / "built" / "node1").exists()
    line = refusal(without_storage, private)
    assert re.search(r"data/normalized: node 10\.77\.0\.[23] has no such folder", line)
    assert "HEADRACE_WORKSPACE" in line
