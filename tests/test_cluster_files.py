"""The files in cluster/: valid for Ray and Kubernetes, and without open ports."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

CLUSTER_DIR = Path(__file__).parents[1] / "cluster"


def load(name: str) -> Any:
    return YAML(typ="safe").load(CLUSTER_DIR / name)


def test_ray_up_file_is_valid_for_ray() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(load("ray-up.yaml"))
    validate_config(config)
    assert config["max_workers"] == len(config["provider"]["worker_ips"])


def test_ray_up_file_requires_a_token_and_binds_to_loopback() -> None:
    config = load("ray-up.yaml")
    for role in ("head", "worker"):
        started = config[f"{role}_start_ray_commands"][-1]
        assert "RAY_AUTH_MODE=token" in started
        assert "ray start" in started
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


def test_rayjob_file_runs_the_pipeline_and_shuts_down() -> None:
    job = load("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["entrypoint"].endswith("python -m headrace.cluster.job")
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("group", ["head", "workers"])
def test_rayjob_pods_have_resources_and_no_privileges(group: str) -> None:
    cluster = load("rayjob.yaml")["spec"]["rayClusterSpec"]
    groups = {"head": cluster["headGroupSpec"]} | {spec["groupName"]: spec for spec in cluster["workerGroupSpecs"]}
    pod = groups[group]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
