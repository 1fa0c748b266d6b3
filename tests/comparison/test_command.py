"""The command as a person calls it: output, page, JSON, and one line for what cannot be compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.comparison.command import compare
from headrace.errors import ConfigError


def test_command_prints_the_verdict_and_writes_the_page_without_mlflow(pets, tmp_path):
    page_path = tmp_path / "page.html"
    command = [sys.executable, "-X", "importtime", "-m", "headrace", "compare", "1", "2", "--page", str(page_path)]
    process = subprocess.run(command, cwd=pets.root, capture_output=True, text=True)
    lines = process.stderr.splitlines()
    assert process.returncode == 0, process.stderr[-1000:]
    assert [line for line in lines if not line.startswith("import time:")] == []
    assert process.stdout.startswith("B is better than A: accuracy ")
    assert "train.learning_rate  0.001 -> 0.01" in process.stdout
    assert "B is better than A: accuracy " in page_path.read_text()
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert {"numpy", "rich"} <= imported
    assert imported.isdisjoint({"mlflow", "torch", "pandas", "sklearn", "ray"}), "they would cost seconds"


def test_command_prints_json(pets, monkeypatch, capsys):
    monkeypatch.chdir(pets.root)
    compare(last=2, as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert [model["title"] for model in content["models"]] == [
        "pets version 2 (challenger, shadow), run cnn-2", "pets version 3, run cnn-2",
    ]  # fmt: skip
    assert content["comparisons"][0]["verdict"] == "same answers"
    compare(["1", "2"], rows=1, as_json=True)
    flipped = json.loads(capsys.readouterr().out)["comparisons"][0]["flipped"]
    assert len(flipped["fixed"]) == 1 < flipped["num_fixed"]


def test_command_line_mistakes_are_one_line(pets, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(pets.root)
    with pytest.raises(ConfigError, match=r"^9: the registry has no version 9 of pets; it has 3, 2, 1$"):
        compare(["1", "9"], page=tmp_path / "page.html")
    with pytest.raises(ConfigError, match=r"^--page no/folder/x.html: is not a file in an existing folder"):
        compare(["1", "2"], page=Path("no/folder/x.html"))
    assert not (tmp_path / "page.html").exists()
    assert capsys.readouterr().out == ""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"params.yaml: no such file; run headrace from a project's folder"):
        compare(["1", "2"])
