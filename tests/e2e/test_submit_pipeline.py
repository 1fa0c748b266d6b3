"""`headrace submit` as a user types it: the eleven stages as a job on a real cluster, two workers on its nodes."""

import json
import os
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from headrace.stages import STAGES
from tests.projects import write_image_folder

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow]


def test_submit_runs_the_whole_pipeline_and_brings_its_results_back(tmp_path, ray_cluster, clone_into):
    project = tmp_path / "project"
    clone_into(project)
    write_image_folder(project / "photos", 60)
    yaml = YAML()
    params = yaml.load(project / "params.yaml")
    params["ingest"]["source"] = "photos"
    params["train"].update({"max_epochs": 4, "batch_size": 16, "num_workers": 2, "augmentation": []})
    params["validate"]["gate"] = {}
    yaml.dump(params, project / "params.yaml")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "a project"], cwd=project, check=True)

    with (project / "params.yaml").open("a") as file:
        file.write("# an edit that is not committed\n")

    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "submit", "--address", ray_cluster.address, "--wait"],
        cwd=project, env=environment | {"RAY_AUTH_TOKEN": ray_cluster.token},
        capture_output=True, text=True, timeout=540,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")] == list(STAGES)
    assert "epoch 4/4" in done.stdout
    for stage in STAGES:
        assert json.loads((project / "metrics" / f"{stage}.json").read_text()), stage
    assert json.loads((project / "metrics" / "train.json").read_text())["workers"] == 2
    assert json.loads((project / "registered.json").read_text())["version"] == 1
    assert (project / "reports" / "explain" / "index.html").is_file()
    assert (project / "reports" / "test" / "predictions.parquet").is_file()
    assert list(YAML(typ="safe").load(project / "dvc.lock")["stages"]) == list(STAGES)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project, text=True).strip()
    lineage = json.loads((project / "models" / "trained" / "bundle.json").read_text())["lineage"]
    assert (lineage["git_commit"], lineage["git_dirty"]) == (commit, True)
    assert ray_cluster.token not in done.stdout

    def headrace(*arguments: str) -> str:
        return subprocess.check_output(
            [sys.executable, "-m", *arguments], cwd=project, env=environment, text=True, stderr=subprocess.STDOUT
        )

    assert headrace("dvc", "status") == "Data and pipelines are up to date.\n"
    assert "registered" in headrace("headrace", "status")
    assert "/1: answers.csv" in headrace("headrace", "predict", "photos", "-o", "answers.csv")
    assert "nothing changed" in headrace("headrace", "submit", "--address", ray_cluster.address)
