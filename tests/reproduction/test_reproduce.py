"""A model trained again from its commit, by real git and DVC."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.projects import table_rows, write_csv

BIN = Path(sys.executable).parent


def run(folder, *command):
    identity = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity, "PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": str(folder.parent)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.e2e
def test_model_is_reproduced_from_its_commit(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    rows, values = table_rows(300)
    labelled = [row | {"worth": "high" if value > 50 else "low"} for row, value in zip(rows, values, strict=True)]
    write_csv(folder / "rows.csv", labelled)
    run(folder, "headrace", "init", ".", "--source", "rows.csv", "--target", "worth")
    params = YAML(typ="safe").load(folder / "params.yaml")
    params["train"] |= {"max_epochs": 2, "num_workers": 0, "model": {"name": "mlp", "dense": [8], "dropout": 0.2}}
    params |= {"validate": {"baselines": {"seconds": 0}}, "explain": {"num_examples": 0}}
    YAML(typ="safe").dump(params, folder / "params.yaml")
    ignored = (folder / ".gitignore").read_text()
    (folder / ".gitignore").write_text(f"{ignored}\n/rows.csv\n")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "--quiet", "-m", "one")
    run(folder, "dvc", "repro")
    origin = json.loads("\n".join(run(folder, "headrace", "lineage", "1", "--json")))
    assert (origin["seed"], origin["is_dirty"]) == (0, False)
    assert set(origin["gates"]) == {"validate", "quantize"}
    params["train"]["max_epochs"] = 9  # not committed
    YAML(typ="safe").dump(params, folder / "params.yaml")
    *_, title, data, weights, metrics = run(folder, "headrace", "reproduce", "1")
    assert "trained again from commit " in title
    assert data.startswith("data: equal (data/raw ")
    assert weights.startswith("weights: equal bit for bit (sha256 ")
    assert metrics.endswith(" equal bit for bit")
    assert not list(tmp_path.glob("headrace-*")), "no temporary folder is left"
