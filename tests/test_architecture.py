"""One name, five places: stages, files, settings, dvc.yaml and tests; deps, outs and the README's tree."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.config import Section
from headrace.paths import OUTS
from headrace.stages import STAGES

ROOT = Path(__file__).resolve().parent.parent
DVC = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")

ENGINE_FILES = ("__init__", "batch_engine", "process_pool", "ray_data", "session")
"""Of cluster/: what clean and normalize run their work on."""


def test_stages_have_one_name_in_five_places():
    files = {path.stem for path in (ROOT / "pipeline" / "headrace" / "stages").glob("[a-z]*.py")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "stages").glob("test_*.py")}
    assert list(DVC) == list(STAGES) == list(OUTS)
    assert files == set(STAGES) <= tests
    assert list(PARAMS) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_a_config_and_a_run(stage):
    module = importlib.import_module(f"headrace.stages.{stage}")
    assert issubclass(module.Config, Section)
    assert callable(module.run)
    assert module.__doc__.startswith(f"{stage.capitalize()}: ")
    assert module.__doc__.strip().count("\n") == 0
    fields = module.Config.model_fields
    assert all(field.description for field in fields.values()), "every key tells its unit and scope"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_command_params_outs_and_metrics(stage):
    entry = DVC[stage]
    assert entry["cmd"] == f"python -m headrace {stage}"
    # the one exception: a search is a search over the settings of train
    assert set(entry["params"]) == ({"tune", "train"} if stage == "tune" else {stage})
    assert sorted(entry["outs"]) == sorted(OUTS[stage])
    assert entry["metrics"] == [f"metrics/{stage}.json"]


def test_every_out_is_read_by_a_later_stage_or_is_for_people():
    deps = {dep for entry in DVC.values() for dep in entry["deps"]}
    unread = {out for outs in OUTS.values() for out in outs if not any(dep.startswith(out) for dep in deps)}
    assert unread == {
        "data/quarantine",
        "reports/clean.html",
        "plots/train",
        "plots/validate",
        "plots/test",
        "registered.json",
    }


def test_deps_cover_each_import_closure():
    done = subprocess.run([sys.executable, "tools/dvc_deps.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_stages_do_not_depend_on_code_of_stages_after_them():
    before = {dep for stage in ("ingest", "clean", "split", "normalize") for dep in DVC[stage]["deps"]}
    engines = {f"pipeline/headrace/cluster/{name}.py" for name in ENGINE_FILES}
    rooms = (
        "pipeline/headrace/training",
        "pipeline/headrace/tracking",
        "pipeline/headrace/cluster",
        "pipeline/headrace/models",
        "pipeline/headrace/evaluation",
    )
    assert not [dep for dep in before - engines if dep.startswith(rooms)]


def test_readme_tree_is_the_real_tree():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text.partition("<!-- tree -->")[2].partition("<!-- /tree -->")[0]
    named = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("      ")}
    real = {path.name for path in (ROOT / "pipeline" / "headrace").iterdir() if not path.name.startswith("__pycache__")}
    assert named == real - {"__init__.py", "py.typed"}


def test_tests_mirror_the_package():
    rooms = {
        path.name for path in (ROOT / "pipeline" / "headrace").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert {room for room in rooms if not any((ROOT / "tests" / room).glob("**/test_*.py"))} == set()
