"""The tutorials in a real shell: that of the table to its end, the others to the trained weights."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, list_commands, list_listings

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
QUICK = "sed -i 's/max_epochs: [0-9]*/max_epochs: 2/' params.yaml\n"
"""Two epochs: what they reach is not the subject here."""


def run(commands: list[str], folder: Path) -> str:
    """Runs commands one after another in one bash, and returns what they print; fails with the first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input="\n".join(commands), cwd=folder, capture_output=True, text=True,
        env=outer | {"PATH": path, "PYTHONPATH": str(ROOT / "pipeline"), "COLUMNS": "120"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def read_tutorial(name: str, folder: Path) -> list[str]:
    """Writes the script that makes the data, and returns the commands."""
    listings = list(list_listings(ROOT / "docs" / "tutorials" / f"{name}.md"))
    script = next(each.text for each in listings if each.language == "python")
    folder.joinpath(script.partition("\n")[0].removeprefix("# ")).write_text(script)
    blocks = [list_commands(each) for each in listings if not each.language]
    programs = re.compile(r"(python|headrace|dvc|cd|sed) ")
    return [command for block in blocks for command in block if programs.match(command)]


def test_table_from_the_file_to_answers_of_a_compared_model(tmp_path: Path) -> None:
    commands = read_tutorial("table", tmp_path)
    assert [command.split()[0] for command in commands] == [
        *("python", "headrace", "cd", "dvc", "headrace", "dvc", "sed", "dvc", "headrace", "headrace")
    ]
    first_run = commands.index("dvc repro")
    shown = run([*commands[:first_run], QUICK, *commands[first_run:]], tmp_path)
    assert "Data and pipelines are up to date." in shown
    registered = json.loads((tmp_path / "cells" / "registered.json").read_text())
    assert registered["version"] == 2
    with (tmp_path / "cells" / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 569
    assert {row["target"] for row in rows} == {"benign", "malignant"}


@pytest.mark.parametrize(("name", "project", "rows"), [("photos", "tiles", 300), ("texts", "paragraphs", 1000)])
def test_data_and_project_of_the_other_tutorials_are_trained(
    tmp_path: Path, name: str, project: str, rows: int
) -> None:
    commands = read_tutorial(name, tmp_path)
    repro = commands.index("dvc repro")
    run([*commands[:repro], QUICK, "dvc repro train"], tmp_path)
    metrics = tmp_path / project / "metrics"
    assert json.loads((metrics / "ingest.json").read_text())["rows"] >= rows
    assert (metrics / "train.json").is_file()
