"""The files in cluster/: valid for Ray and Kubernetes, of the locked versions, and without open ports."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
CLUSTER_DIR = ROOT / "cluster"
RAY_UP = ["onprem", "aws", "gcp"]
KUBERAY = ["rayjob", "raycluster"]
LOCK = {package["name"]: package.get("version") for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def load(name: str) -> Any:
    return next(YAML(typ="safe").load_all(CLUSTER_DIR / name))


def ray_cluster_of(name: str) -> Any:
    spec = load(f"kuberay/{name}.yaml")["spec"]
    return spec.get("rayClusterSpec", spec)


def test_readme_names_every_file() -> None:
    text = (CLUSTER_DIR / "README.md").read_text()
    files = {path.relative_to(CLUSTER_DIR).as_posix() for path in CLUSTER_DIR.rglob("*") if path.is_file()}
    assert {name for name in files if f"`{name}`" not in text} == {"README.md", "Dockerfile.dockerignore"}


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_up_files_are_valid_for_ray(name: str) -> None:
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = load(f"{name}.yaml")
    validate_config(prepare_config(config))
    with pytest.raises(ValidationError):
        validate_config(prepare_config(config | {"max_wokers": 2}))


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_up_files_require_a_token_and_bind_to_loopback(name: str) -> None:
    config = load(f"{name}.yaml")
    for role in ("head", "worker"):
        started = config[f"{role}_start_ray_commands"][-1]
        assert "RAY_AUTH_MODE=token" in started
        assert "ray start" in started
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_clouds_have_a_head_without_training_and_spot_workers(name: str) -> None:
    config = load(f"{name}.yaml")
    types = config["available_node_types"]
    assert types[config["head_node_type"]]["resources"] == {"CPU": 0}
    (worker,) = [each for key, each in types.items() if key != config["head_node_type"]]
    is_spot = {
        "aws": worker["node_config"].get("InstanceMarketOptions") == {"MarketType": "spot"},
        "gcp": worker["node_config"].get("scheduling") == [{"preemptible": True}],
    }
    assert is_spot[name]
    assert worker["min_workers"] == worker["max_workers"] == config["max_workers"]


def test_rayjob_file_runs_the_pipeline_and_shuts_down() -> None:
    job = load("kuberay/rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["entrypoint"].endswith("python -m headrace.cluster.job")
    assert job["spec"]["shutdownAfterJobFinishes"] is True


@pytest.mark.parametrize("name", KUBERAY)
def test_kuberay_files_require_a_token_and_open_nothing(name: str) -> None:
    cluster = ray_cluster_of(name)
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"


@pytest.mark.parametrize("name", KUBERAY)
@pytest.mark.parametrize("group", ["head", "workers"])
def test_kuberay_pods_have_resources_and_no_privileges(name: str, group: str) -> None:
    cluster = ray_cluster_of(name)
    groups = {"head": cluster["headGroupSpec"]} | {spec["groupName"]: spec for spec in cluster["workerGroupSpecs"]}
    pod = groups[group]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_versions_are_those_of_the_lock() -> None:
    assert {ray_cluster_of(name)["rayVersion"] for name in KUBERAY} == {LOCK["ray"]}
    text = "".join(path.read_text() for path in CLUSTER_DIR.rglob("*") if path.is_file())
    assert set(re.findall(r"/headrace:(\S+)", text)) == {PROJECT["version"]}
    (python,) = re.findall(r"^FROM python:([\d.]+)", (CLUSTER_DIR / "Dockerfile").read_text(), re.MULTILINE)
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.99")


def test_image_runs_without_privileges() -> None:
    lines = (CLUSTER_DIR / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000"]
    ignored = (CLUSTER_DIR / "Dockerfile.dockerignore").read_text().splitlines()
    assert {".git", ".dvc/config.local", ".env", "data"} <= set(ignored)


def test_compose_opens_ports_on_loopback_only_and_holds_no_secret() -> None:
    services = load("compose.yaml")["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(port.rpartition(":")[0] for port in ports) == ["127.0.0.1:5000", "127.0.0.1:8265"]
    assert services["head"]["environment"]["RAY_AUTH_MODE"] == "token"
    secrets = [
        services["head"]["environment"]["RAY_AUTH_TOKEN"],
        services["database"]["environment"]["POSTGRES_PASSWORD"],
    ]
    assert all(re.fullmatch(r"\$\{\w+:\?.*\}", secret) for secret in secrets)


def test_slurm_script_requires_a_token_and_a_server() -> None:
    text = (CLUSTER_DIR / "slurm" / "headrace.sbatch").read_text()
    assert text.index("RAY_AUTH_MODE=token") < text.index("ray start")
    assert "${MLFLOW_TRACKING_URI:?" in text
