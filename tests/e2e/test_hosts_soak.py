"""Several machines for minutes on end, by `make soak`: a lost head, and a minute without MLflow."""

import time

import pytest

from headrace.storage.bundle import WEIGHTS
from tests.e2e.clusters import Cluster, RayHosts
from tests.e2e.hosts import SHARED, open_network, why_impossible
from tests.e2e.test_hosts import NUM_EPOCHS, SETTINGS, require_complete_records
from tests.e2e.test_postgresql import PROGRAMS

MLFLOW_AWAY_S = 65
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(why_impossible()), reason=why_impossible()),
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: nodes cannot share an SQLite file"),
]


def test_a_job_submitted_again_after_the_loss_of_its_head_ends_with_the_same_bytes(tmp_path):
    with open_network(tmp_path) as network:
        cluster = Cluster(network)
        whole = cluster.client.create_project("whole", SETTINGS)
        job = cluster.client.submit(whole, cluster.ray, "train")
        assert job.wait() == 0, job.log
        project = cluster.client.create_project("photos", SETTINGS)
        workspace = {"HEADRACE_WORKSPACE": str(SHARED / "workspace")}
        cluster.set_pause(1)
        first = cluster.client.submit(project, cluster.ray, **workspace)
        first.wait_for(f"epoch 2/{NUM_EPOCHS}")
        network.unplug(cluster.services.host)
        time.sleep(MLFLOW_AWAY_S)
        assert first.process.poll() is None
        assert 2 < first.num_epochs < NUM_EPOCHS
        network.plug(cluster.services.host)
        first.wait_for(f"epoch {first.num_epochs + 1}/{NUM_EPOCHS}")
        for host in (cluster.ray.head, *cluster.nodes):
            network.lose(host)
        cluster.set_pause(0)
        ray = RayHosts(network, cluster.services.environment, name="head2")
        ray.add_nodes("node4", "node5", "node6")
        assert first.wait() == 2, first.log
        assert "Traceback" not in first.log
        assert "not reachable for 60 s" in first.log.splitlines()[-1]
        second = cluster.client.submit(project, ray, **workspace)
        assert second.wait() == 0, second.log
        assert "resumed after epoch" in second.log
        first_bytes, second_bytes = ((each.trained_dir / WEIGHTS).read_bytes() for each in (whole, project))
        assert first_bytes == second_bytes
        require_complete_records(cluster.services, project, num_runs=2)
