"""`headrace upgrade`, on a project that version 0.1.0 made before `code.json` (in `project_before/`)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace import __version__
from headrace.commands.init import create_project
from headrace.commands.project_template import read_template
from headrace.commands.upgrade import check_project, plan_files, upgrade_project
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json, write_text

BEFORE = Path(__file__).parent / "project_before"
CLONE_STAGE = """\
stages:
  ingest:
    cmd: python -m headrace ingest
    deps:
    - pipeline/headrace/__init__.py
    - pipeline/headrace/config.py
    - titanic.csv
    params: [ingest]
    outs: [data/raw]
    metrics: [metrics/ingest.json]
  # of the user's own
  publish:
    cmd: scp -r reports server:/srv
    deps: [reports/test]
vars:
- shared.yaml
metrics:
- mine.json
plots:
- Training:
    x: step
- Mine:
    x: epoch
    y:
      plots/train/history.csv: val_accuracy
"""


@pytest.fixture
def before(tmp_path: Path) -> Paths:
    """The small files of a project that the version before made, after its `dvc repro`."""
    for path in BEFORE.iterdir():
        name = f".{path.name}" if path.name in {"gitignore", "dvcignore"} else path.name
        shutil.copy(path, tmp_path / name)
    return Paths(tmp_path)


@pytest.fixture
def current(tmp_path: Path) -> Paths:
    create_project(tmp_path / "current", "wine")
    return Paths(tmp_path / "current")


def texts(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file() and not {".git", ".headrace"} & set(path.parts)]
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


def reruns(lines: list[str]) -> dict[str, str]:
    """Stage -> reason."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.startswith("  ")}


def test_project_of_the_version_before_becomes_one_of_this(before: Paths) -> None:
    old = texts(before.root)
    lines = upgrade_project(before)
    new = texts(before.root)
    assert new["dvc.yaml"] == read_template("dvc.yaml")
    assert new["dvc.yaml.bak"] == old["dvc.yaml"]
    assert set(json.loads(new["code.json"])) == set(STAGES)
    assert new["model_code/fingerprint.json"] == "{}\n"
    assert f"\nheadrace=={__version__}\n" in new["requirements.txt"]
    assert {name: new[name] for name in ("params.yaml", "dvc.lock")} == {
        name: old[name] for name in ("params.yaml", "dvc.lock")
    }
    assert set(old[".gitignore"].split("\n")) < set(new[".gitignore"].split("\n"))
    assert list(reruns(lines)) == list(STAGES)
    assert "yours is in dvc.yaml.bak" in "\n".join(lines)


def test_upgrade_twice_does_nothing_the_second_time(before: Paths) -> None:
    upgrade_project(before)
    after = texts(before.root)
    assert upgrade_project(before) == [f"nothing to do: this project is as headrace {__version__} has it"]
    assert texts(before.root) == after


def test_new_project_needs_no_upgrade(current: Paths) -> None:
    check_project(current)
    assert not plan_files(current)


def test_stages_of_changed_code_run_again_and_no_others(current: Paths) -> None:
    code = json.loads(current.code_path.read_bytes())
    write_json(current.code_path, code | {"split": "0" * 64, "test": "1" * 64})
    with pytest.raises(DataError, match=r"^code\.json: not as headrace .*; run: headrace upgrade$"):
        check_project(current)
    assert reruns(upgrade_project(current)) == {"split": "its code changed", "test": "its code changed"}
    assert json.loads(current.code_path.read_bytes()) == code


def test_what_the_user_added_to_dvc_yaml_is_kept(current: Paths) -> None:
    write_text(current.root / "dvc.yaml", CLONE_STAGE)
    write_text(current.root / "dvc.yaml.bak", "an earlier one")
    lines = upgrade_project(current)
    document = YAML(typ="safe").load(current.root / "dvc.yaml")
    assert list(document["stages"]) == [*STAGES, "publish"]
    assert document["stages"]["ingest"]["deps"] == ["titanic.csv"]
    assert document["stages"]["publish"]["deps"] == ["reports/test"]
    assert document["vars"] == ["shared.yaml"]
    assert document["metrics"][-1] == "mine.json"
    plots = {name: plot for entry in document["plots"] for name, plot in entry.items()}
    assert plots["Training"]["x"] == "epoch"
    assert plots["Mine"]["x"] == "epoch"
    assert (current.root / "dvc.yaml.bak").read_text() == "an earlier one"
    assert (current.root / "dvc.yaml.bak2").read_text() == CLONE_STAGE
    assert reruns(lines) == {"ingest": "its entry in dvc.yaml changed"} | dict.fromkeys(STAGES[1:], "new")
    assert not plan_files(current)


def test_requirements_of_the_user_are_kept(before: Paths) -> None:
    write_text(before.root / "requirements.txt", "torch==2.13.0\nheadrace>=0.0.1  # old\nmine")
    write_text(before.root / "requirements.lock", "ray==2.60.0\nheadrace==0.0.1\n")
    upgrade_project(before)
    assert (before.root / "requirements.txt").read_text() == f"torch==2.13.0\nheadrace=={__version__}\nmine"
    assert (before.root / "requirements.lock").read_text() == f"ray==2.60.0\nheadrace=={__version__}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"not a project: it has no dvc\.yaml or no params\.yaml"),
        ("stages: [a", r"^dvc\.yaml: not YAML"),
        ("stages: []", r"^dvc\.yaml: has no mapping 'stages'"),
        ("- a", r"^dvc\.yaml: has no mapping 'stages'"),
    ],
)
def test_upgrade_refuses_what_is_not_a_project_and_changes_nothing(
    tmp_path: Path, text: str | None, message: str
) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text)
    old = texts(tmp_path)
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        upgrade_project(Paths(tmp_path))
    assert "\n" not in str(caught.value)
    assert texts(tmp_path) == old


def test_upgrade_that_was_interrupted_is_completed(before: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_dvc_yaml(path: Path, text: str) -> None:
        if path.name == "dvc.yaml":
            raise KeyboardInterrupt
        write_text(path, text)

    old = texts(before.root)
    monkeypatch.setattr("headrace.commands.upgrade.write_text", fail_at_dvc_yaml)
    with pytest.raises(KeyboardInterrupt):
        upgrade_project(before)
    assert texts(before.root)["dvc.yaml"] == old["dvc.yaml"]
    monkeypatch.undo()
    upgrade_project(before)
    assert texts(before.root)["dvc.yaml"] == read_template("dvc.yaml")


def test_command_has_exit_codes_and_one_line(tmp_path: Path) -> None:
    for arguments in ([], ["--check"]):
        command = [sys.executable, "-m", "headrace", "upgrade", *arguments]
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=os.environ)
        assert process.returncode == 2
        assert process.stderr.count("\n") == 1
        assert process.stderr.startswith(f"headrace: {tmp_path}: not a project")
    assert not list(tmp_path.iterdir())
