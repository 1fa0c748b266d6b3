"""`headrace doctor`, `status --json` and `completion` as processes; the completion by a real bash."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.stages import STAGES

ROOT = Path(__file__).parents[3]
COMPLETE = """
eval "$(headrace completion bash)"
complete -p headrace >/dev/null
COMP_WORDS=({words}); COMP_CWORD={index}
_headrace_completion headrace
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "headrace"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m headrace "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "pipeline")}


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("headrace sta", "status"),
        ("headrace predict --eng", "--engine"),
        ("headrace predict --engine ''", "auto local ray"),
        ("headrace jobs fo", "follow"),
    ],
)
def test_bash_completes_commands_options_and_choices(environment: dict[str, str], words: str, completions: str) -> None:
    script = COMPLETE.format(words=words, index=len(words.split()) - 1)
    done = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (completions, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_the_stages(environment: dict[str, str], shell: str) -> None:
    script = subprocess.run(
        ["headrace", "completion", shell], env=environment, capture_output=True, text=True, check=True
    ).stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
    assert f"_HEADRACE_COMPLETE=complete_{shell}" in script
    asked = {"_HEADRACE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "headrace ",
             "_TYPER_COMPLETE_FISH_ACTION": "get-args"}  # fmt: skip
    done = subprocess.run(["headrace"], env=environment | asked, capture_output=True, text=True, check=True)
    assert not [stage for stage in STAGES if stage not in done.stdout]


def test_status_and_doctor_of_another_folder_as_json(environment: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "elsewhere"
    project.mkdir()
    shown = {}
    for command in ("status", "doctor"):
        done = subprocess.run(
            ["headrace", "--project", "elsewhere", command, "--json"],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stderr == ""
        shown[command] = json.loads(done.stdout)
    assert shown["status"]["lines"] == ["nothing yet dvc repro runs the pipeline"]
    assert shown["status"]["registry"] == f"sqlite:///{project}/mlflow.db"
    assert {check["name"]: check["detail"] for check in shown["doctor"]["checks"]}["project"].endswith(str(project))
