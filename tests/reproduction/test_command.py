"""The commands as a person calls them."""

import json
import subprocess
import sys

import pytest

from headrace.errors import DataError
from headrace.reproduction.command import lineage, reproduce


def test_lineage_prints_without_mlflow_or_torch(pets):
    command = [sys.executable, "-X", "importtime", "-m", "headrace", "lineage", "1", "--json"]
    process = subprocess.run(command, cwd=pets.root, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-1000:]
    assert json.loads(process.stdout)["version"] == 1
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert imported.isdisjoint({"mlflow", "torch", "pandas", "ray"}), "they would cost seconds"


def test_commands_run_in_the_current_folder(pets, monkeypatch, capsys):
    monkeypatch.chdir(pets.root)
    lineage("1")
    assert capsys.readouterr().out.startswith("pets version 1 (champion), run cnn-1\n")
    with pytest.raises(DataError, match=r"^pets version 1 \(champion\), run cnn-1: its commit c{40} is not in this"):
        reproduce("1")
