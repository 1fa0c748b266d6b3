"""A project with a registered version that is copied and then moved: every command finds its own files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.tracking.client import connect
from tests.projects import table_rows, write_csv
from tests.serving import TABLE

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
LOAD = """
import mlflow, pandas, sys
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
rows = pandas.read_csv("new.csv", dtype=str, keep_default_na=False)
print(mlflow.pyfunc.load_model("models:/worth@champion").predict(rows)["label"].tolist())
"""


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done


def headrace(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(root, "-m", "headrace", *arguments)


def list_files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("registered", TABLE, indirect=True, ids=["table"])
def test_copy_and_move_keep_the_registry(registered: Paths, tmp_path: Path) -> None:
    copy, before = tmp_path / "copy", list_files(registered.root)
    shutil.copytree(registered.root, copy, symlinks=True)
    write_csv(copy / "new.csv", table_rows(20, seed=1)[0])
    (copy / "params.yaml").write_text("register: {name: worth}\n")
    status = headrace(copy, "status")
    assert f"headrace: mlflow.db: 5 locations in {registered.root} are now here" in status.stderr
    assert "its files are gone" not in status.stdout
    answers = run(copy, "-c", LOAD, str(copy)).stdout
    headrace(copy, "test")  # more metrics than the fixture's: another version
    assert "register: worth version 2: " in headrace(copy, "register").stdout
    assert list_files(registered.root) == before, "the original is as it was"
    moved = copy.rename(tmp_path / "moved")
    predicted = headrace(moved, "predict", "new.csv", "-o", "out.csv", "--model", "models:/worth/1")
    assert "20 of 20 rows answered by worth/1" in predicted.stdout
    assert f"locations in {copy} are now here" in predicted.stderr
    assert run(moved, "-c", LOAD, str(moved)).stdout == answers
    assert "locations" not in headrace(moved, "register").stderr, "it was repaired"
    assert json.loads((moved / "registered.json").read_text())["version"] == 2, "the same content, the same version"
    versions = connect(Paths(moved)).search_model_versions("name = 'worth'")
    assert {version.source.partition("/mlartifacts")[0] for version in versions} == {moved.as_uri()}
