"""A project of the version before is upgraded and runs; then real `dvc repro` after edits of code and of a model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEFORE = ROOT / "tests" / "commands" / "project_before"
FINGERPRINT = "model_code/dvc.yaml:fingerprint"
NETS = '''
"""One dense layer."""

from helpers import WIDTH


class Two:
    def build(self, input_shape, num_outputs):
        from torch import nn

        return nn.Sequential(nn.Linear(input_shape[0], WIDTH), nn.Tanh(), nn.Linear(WIDTH, num_outputs))
'''
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def run(project: Path, *command: str) -> str:
    """Runs a command in the project, with the copy of the package that lies beside it."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project.parent / "package"),
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    process = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=580)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout + process.stderr


def repro(project: Path, *targets: str) -> list[str]:
    """The stages that `dvc repro` runs, up to the targets if there are any."""
    lines = run(project, "dvc", "repro", *targets).splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the version before, upgraded, after one `dvc repro` of all stages."""
    folder = tmp_path_factory.mktemp("e2e") / "project"
    folder.mkdir()
    for path in BEFORE.iterdir():
        name = f".{path.name}" if path.name in {"gitignore", "dvcignore"} else path.name
        shutil.copy(path, folder / name)
    edit(folder / "params.yaml", ("max_epochs: 40", "max_epochs: 4"), ("min: 0.9", "min: 0"))
    package = ROOT / "pipeline" / "headrace"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, folder.parent / "package" / "headrace", ignore=ignored)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "headrace", "upgrade")
    assert len(repro(folder)) == 11
    return folder


def test_upgraded_project_ran_and_has_nothing_to_do(project: Path) -> None:
    assert (project / "registered.json").is_file()
    assert "Data and pipelines are up to date" in run(project, "dvc", "repro")
    assert "up to date" in run(project, "dvc", "status")


def test_changed_code_runs_its_stage_and_a_comment_runs_none(project: Path) -> None:
    source = project.parent / "package" / "headrace" / "stages" / "explain.py"
    source.write_text(source.read_text() + "\n# a comment\n")
    assert run(project, "headrace", "upgrade").startswith("nothing to do")
    source.write_text(source.read_text() + "\nADDED = 1\n")
    assert "Data and pipelines are up to date" in run(project, "dvc", "repro")
    assert "code.json: not that of the installed code of explain" in run(project, "headrace", "explain")
    upgraded = run(project, "headrace", "upgrade").splitlines()
    assert [line.split()[0] for line in upgraded if line.startswith("  ")] == ["explain"]
    ran = repro(project)
    assert ran[0] == "explain"
    assert set(ran) <= {"explain", "register"}
    assert repro(project) == []


def test_model_of_the_users_own_trains_again_after_an_edit_and_not_after_a_comment(project: Path) -> None:
    (project / "my_nets.py").write_text(NETS)
    (project / "helpers.py").write_text("WIDTH = 8\n")
    edit(
        project / "params.yaml",
        ("    name: mlp\n", "    name: my_nets:Two\n"), ("    dense: [32]\n", ""), ("    dropout: 0.1\n", ""),
    )  # fmt: skip
    assert {"tune", "train"} <= set(repro(project, "train"))
    assert repro(project, "train") == [FINGERPRINT], "it is written at every dvc repro"
    edit(project / "my_nets.py", ("One dense layer", "Two dense layers"))
    (project / "helpers.py").write_text("# features of the layer between\nWIDTH = 8\n")
    assert repro(project, "train") == [FINGERPRINT]
    (project / "helpers.py").write_text("WIDTH = 12\n")
    ran = repro(project, "train")
    assert ran == [FINGERPRINT, "tune", "train"]
    (project / "my_nets.py").rename(project / "renamed.py")
    edit(project / "params.yaml", ("my_nets:Two", "renamed:Two"))
    assert "train" in repro(project, "train")
