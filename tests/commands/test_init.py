import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from headrace import __version__
from headrace.commands.init import create_project
from headrace.commands.project_template import read_template
from headrace.commands.run_stage import load_settings, run_stage
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.stages import STAGES
from tests.projects import png, text_rows, write_csv, write_image_folder

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FILES = {
    ".dvc", ".dvcignore", ".git", ".gitignore", ".headrace", "cluster", "code.json", "dvc.yaml", "model_code",
    "params.yaml", "requirements.txt",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside any repository but a test's own, and with the commands of this interpreter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run(*command: str, cwd: Path) -> str:
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def stages_of(text: str) -> Any:
    return YAML(typ="safe").load(text)["stages"]


def test_init_creates_a_project_that_dvc_and_git_accept(tmp_path: Path) -> None:
    lines = create_project(Path("new/wines"), "wine")
    project = tmp_path / "new" / "wines"
    assert names(tmp_path) == {"new"}
    assert names(project.parent) == {"wines"}
    assert names(project) == FILES
    assert (project / "params.yaml").read_bytes() == (ROOT / "recipes" / "wine.yaml").read_bytes()
    assert set(load_settings(Paths(project))) == set(STAGES)
    assert (project / "requirements.txt").read_text().splitlines()[2] == f"headrace=={__version__}"
    assert lines[:2] == ["new/wines: project created; next:", "  cd new/wines"]
    assert [line for line in lines if "dvc repro" in line and "git" not in line]
    assert run("dvc", "stage", "list", "--name-only", cwd=project).split() == list(STAGES)
    assert "?? dvc.yaml" in run("git", "status", "--short", cwd=project)


def test_init_writes_the_files_of_dvc_init(tmp_path: Path) -> None:
    create_project(Path("ours"), None)
    (tmp_path / "theirs").mkdir()
    run("git", "init", "--quiet", cwd=tmp_path / "theirs")
    run("dvc", "init", "--quiet", cwd=tmp_path / "theirs")
    files = run("git", "ls-files", cwd=tmp_path / "theirs").split()
    assert sorted(files) == [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
    assert all((tmp_path / "ours" / name).is_file() for name in files)
    assert (tmp_path / "theirs" / ".dvc" / ".gitignore").read_text() == read_template(".dvc/.gitignore")
    assert run("dvc", "config", "core.analytics", cwd=tmp_path / "ours").strip() == "false"


def test_init_without_a_recipe_uses_the_sample(tmp_path: Path) -> None:
    create_project(Path("sample"), None)
    assert (tmp_path / "sample" / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_init_in_an_empty_folder_keeps_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    inode = folder.stat().st_ino
    monkeypatch.chdir(folder)
    lines = create_project(Path(), "wine")
    assert names(folder) == FILES
    assert folder.stat().st_ino == inode
    assert lines[0] == f"{folder}: project created; next:"
    assert not [line for line in lines if line.startswith("  cd")]


def test_init_inside_a_repository_joins_it_and_adds_nothing_to_its_index(tmp_path: Path) -> None:
    run("git", "init", "--quiet", cwd=tmp_path)
    create_project(Path("inner"), "wine")
    assert names(tmp_path / "inner") == FILES - {".git"}
    assert run("git", "status", "--short", cwd=tmp_path).splitlines() == ["?? inner/"]
    assert run("dvc", "stage", "list", "--name-only", cwd=tmp_path / "inner").split() == list(STAGES)


def test_init_in_an_ignored_folder_is_refused(tmp_path: Path) -> None:
    run("git", "init", "--quiet", cwd=tmp_path)
    (tmp_path / ".gitignore").write_text("/scratch\n")
    with pytest.raises(DataError, match=r"scratch/x: is ignored by the git repository"):
        create_project(Path("scratch/x"), "wine")
    assert names(tmp_path) == {".git", ".gitignore"}


def test_init_without_git_says_so_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    lines = create_project(Path("plain"), "wine")
    assert lines[-1].startswith("git is not installed")
    assert names(tmp_path / "plain") == FILES - {".git"}
    assert run(str(BIN / "dvc"), "stage", "list", "--name-only", cwd=tmp_path / "plain").split() == list(STAGES)


@pytest.mark.parametrize(
    ("folder", "recipe", "message"),
    [
        ("full", "wine", "full: is not empty"),
        ("full/file", "wine", "full/file: exists and is not a folder"),
        ("full/file/x", "wine", "full/file/x: cannot be created"),
        ("dangling", "wine", "dangling: exists and is not a folder"),
        ("new", "wines", r"--recipe: 'wines' is not a recipe; choose one of .*did you mean 'wine'"),
        ("new", "../params", "is not a recipe"),
        ("n" * 300, "wine", "cannot be created"),
    ],
)
def test_init_refuses_in_one_line_and_leaves_nothing(folder: str, recipe: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        create_project(Path(folder), recipe)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == {"full", "dangling"}
    assert names(tmp_path / "full") == {"file"}


def test_init_that_fails_halfway_undoes_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    rename = Path.rename

    def fail_at_params(self: Path, target: Path) -> Path:
        if target == folder / "params.yaml":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_params)
    with pytest.raises(KeyboardInterrupt):
        create_project(folder, "wine")
    assert names(folder) == set()


def test_command_refuses_with_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headrace", "init", "x", "--recipe", "nist"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert process.returncode == 2
    assert process.stderr.startswith("headrace: --recipe: 'nist' is not a recipe")
    assert process.stderr.count("\n") == 1
    assert not names(tmp_path)


def test_init_says_where_to_put_the_data() -> None:
    source = YAML(typ="safe").load(ROOT / "recipes" / "titanic.yaml")["ingest"]["source"]
    lines = create_project(Path("ship"), "titanic")
    assert [line for line in lines if f" {source}:" in line]


def test_dep_on_the_source_follows_an_edit_of_params_yaml(tmp_path: Path) -> None:
    create_project(Path("ship"), "titanic")
    project = tmp_path / "ship"
    assert stages_of((project / "dvc.yaml").read_text())["ingest"]["deps"] == ["${ingest.source}"]
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("source: titanic.csv", "source: mine.csv"))
    (project / "mine.csv").write_text("a,Survived\n1,0\n")
    assert "mine.csv" in run("dvc", "status", "ingest", cwd=project)


def write_houses(path: Path, num_rows: int) -> None:
    """A German CSV: semicolons, decimal commas, cp1252; the price follows from area and place."""
    rng = np.random.default_rng(0)
    area, place = rng.uniform(30, 200, num_rows), rng.choice(["Stadt", "Küste", "Land"], num_rows)
    price = 2500 * area + 100_000 * (place == "Stadt") + rng.normal(0, 5_000, num_rows)
    lines = [f"{a:.1f};{p};{c:.2f}".replace(".", ",") for a, p, c in zip(area, place, price, strict=True)]
    path.write_text("\n".join(["Fläche;Lage;Preis", *lines, ""]), encoding="cp1252")


def test_source_outside_is_named_absolutely_and_watched(tmp_path: Path) -> None:
    write_houses(tmp_path / "houses.csv", 90)
    lines = create_project(Path("new/houses"), None, "houses.csv", ["Preis"])
    project = tmp_path / "new" / "houses"
    assert names(project) == FILES
    settings = load_settings(Paths(project))
    assert settings["ingest"].model_dump(exclude_unset=True) == {
        "source": str(tmp_path / "houses.csv"), "target": "Preis",
    }  # fmt: skip
    assert "the data: all 90 rows of a table; regression" in lines
    assert [line for line in lines if line.startswith("check encoding: ") and "cp1252" in line]
    assert lines[-1].startswith(f"the data stay in {tmp_path / 'houses.csv'}; ")
    assert run("dvc", "stage", "list", "--name-only", cwd=project).split() == list(STAGES)
    assert str(tmp_path / "houses.csv") in run("dvc", "status", "ingest", cwd=project)


def test_source_may_lie_in_the_folder_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "houses").mkdir()
    write_houses(tmp_path / "houses" / "houses.csv", 90)
    lines = create_project(Path("houses"), None, "houses/houses.csv", ["Preis"])
    assert lines[-1].endswith("dvc add houses.csv")
    assert names(tmp_path / "houses") == FILES | {"houses.csv"}
    assert load_settings(Paths(tmp_path / "houses"))["ingest"].model_dump()["source"] == "houses.csv"


@pytest.mark.parametrize(
    ("source", "target", "recipe", "message"),
    [
        ("houses.csv", ["Preise"], None, r"--target: no column 'Preise'; choose one of .*did you mean 'Preis'"),
        ("houses.csv", ["Preis"], "wine", r"--recipe: got 'wine', and --source"),
        (None, ["Preis"], None, r"--target: got 'Preis' without --source"),
        ("away.csv", [], None, r"--source: .*no such file"),
        ("taken/params.yaml", [], None, r"--source: .*params.yaml is of an unknown kind"),
        ("taken/cluster", [], None, r"taken: a project has its own cluster; rename the data"),
    ],
)
def test_source_that_does_not_fit_leaves_nothing(
    source: str | None, target: list[str], recipe: str | None, message: str, tmp_path: Path
) -> None:
    write_houses(tmp_path / "houses.csv", 90)
    folder = tmp_path / "taken"
    folder.mkdir()
    if source and source.startswith("taken"):
        own = folder / Path(source).name
        own.write_text("a: 1\n") if own.suffix else write_image_folder(own, 3)
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        create_project(Path("taken"), recipe, source, target)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == {"houses.csv", "taken"}
    assert names(folder) == ({Path(source).name} if source and source.startswith("taken") else set())


def test_photos_of_different_sizes_and_texts_fit_their_settings(tmp_path: Path) -> None:
    for index, kind in enumerate(["a", "b"] * 12):
        (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (70 + 3 * index, 200 - 3 * index, 3))
        (tmp_path / "photos" / kind / f"{index}.png").write_bytes(png(pixels.astype(np.uint8)))
    rows, values = text_rows(60)
    write_csv(tmp_path / "texts.csv", [row | {"kind": str(v > 50)} for row, v in zip(rows, values, strict=True)])
    for source, stages in (("photos", STAGES[:4]), ("texts.csv", STAGES[:1])):
        project = tmp_path / f"{source}-project"
        create_project(project, None, source)
        for stage in stages:
            run_stage(stage, Paths(project))
    spec = json.loads((tmp_path / "photos-project" / "data" / "normalized" / "spec.json").read_bytes())
    assert spec["input_shape"] == [64, 64, 3]


@pytest.mark.slow
@pytest.mark.e2e
def test_dvc_repro_runs_a_new_project_and_then_has_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    write_houses(tmp_path / "houses.csv", 240)
    create_project(Path("houses"), None, "houses.csv", ["Preis"])
    project = tmp_path / "houses"
    (project / "pipeline").mkdir()  # a folder of the user's own, which must not hide the package
    run("dvc", "repro", cwd=project)
    assert json.loads((project / "registered.json").read_text())["name"] == "houses"
    assert names(project) >= {"dvc.lock", "data", "models", "metrics", "reports"}
    run("git", "add", ".", cwd=project)
    tracked = run("git", "ls-files", cwd=project).split()
    assert not [name for name in tracked if name.startswith(("data", "models", "mlflow", ".headrace", "metrics"))]
    assert "dvc.lock" in tracked
    assert "Data and pipelines are up to date" in run("dvc", "repro", cwd=project)
    with (tmp_path / "houses.csv").open("a", encoding="cp1252") as file:
        file.write("100,0;Stadt;350000,00\n")
    assert "houses.csv" in run("dvc", "status", "ingest", cwd=project)
    shutil.rmtree(project / "metrics")
    run("dvc", "checkout", cwd=project)
    assert (project / "metrics" / "test.json").is_file()
