"""One name, six places: stages, settings, params.yaml, dvc.yaml, outputs, tests; deps, outs and the README's tree."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.commands.upgrade import check_project
from headrace.config import Section
from headrace.paths import OUTS, Paths
from headrace.settings.load import SECTIONS
from headrace.stages import STAGE_HELP, STAGES

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pipeline" / "headrace"
DVC = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")

MAX_ENTRIES, MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_DIALECT = 14, 300, 40, 20
LARGE_FOLDERS = {
    ".": "the rooms themselves and the modules below all of them",
    "models": "one file per family of networks, and what they share",
}
OTHER_TESTS = {"contracts", "documentation", "e2e", "faults", "recipes"}
"""Folders of tests about several modules at once."""
DECLARED = "test_load.py: it only declares keys"
TESTED_ELSEWHERE: dict[str, str] = {
    f"settings/test_{stage}.py": DECLARED for stage in ("train", "test", "quantize", "explain", "register")
}
"""Test file that does not exist -> where its source is tested, and why."""
WITHOUT_A_SOURCE = {
    "test_architecture.py": "the shape of the package",
    "test_benchmarks.py": "benchmarks/",
    "test_cluster_files.py": "cluster/, the files for clusters",
    "test_formulas.py": "the formulas of the papers, over several rooms",
    "test_imports.py": "which program imports which package",
    "test_packaging.py": "wheel and sdist",
    "test_upstream_assumptions.py": "other projects' internals that workarounds rely on",
}


def test_stages_have_one_name_in_six_places():
    files = {path.stem for path in (ROOT / "pipeline" / "headrace" / "stages").glob("[a-z]*.py")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "stages").glob("test_*.py")}
    assert list(DVC) == list(STAGES) == list(OUTS) == list(STAGE_HELP)
    assert files == set(STAGES) <= tests
    assert list(SECTIONS) == list(STAGES)
    assert all(section.__module__ == f"headrace.settings.{stage}" for stage, section in SECTIONS.items())
    assert list(PARAMS) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_a_config_and_a_run(stage):
    module = importlib.import_module(f"headrace.stages.{stage}")
    assert issubclass(module.Config, Section)
    assert callable(module.run)
    assert module.__doc__.startswith(f"{stage.capitalize()}: ")
    assert module.__doc__.strip().count("\n") == 0
    assert module.Config is SECTIONS[stage]


@pytest.mark.parametrize("name", [*(f"settings/{stage}.py" for stage in STAGES), "training/settings.py"])
def test_every_key_has_a_description_with_unit_and_scope(name):
    path = PACKAGE / name
    for section in [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]:
        if section.name == "ResolvedTrainSettings":  # narrows the types of keys of TrainSettings
            continue
        for field, after in zip(section.body, [*section.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(after, ast.Expr), f"{path.name}: {section.name}.{field.target.id}"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_command_params_and_outs(stage):
    entry = DVC[stage]
    assert entry["cmd"] == f"headrace {stage}"
    # the one exception: a search is a search over the settings of train
    code, *sections = entry["params"]
    assert code == {"code.json": [stage]}
    assert set(sections) == ({"tune", "train"} if stage == "tune" else {stage})
    # no `metrics:`, which would fill `dvc exp show` with all of them
    assert sorted(entry["outs"]) == sorted([*OUTS[stage], f"metrics/{stage}.json"])
    assert "metrics" not in entry


def test_every_out_is_read_by_a_later_stage_or_is_for_people():
    deps = {dep for entry in DVC.values() for dep in entry.get("deps", [])}
    unread = {out for outs in OUTS.values() for out in outs if not any(dep.startswith(out) for dep in deps)}
    assert unread == {
        "data/quarantine",
        "reports/clean.html",
        "reports/assumptions.json",
        "plots/train",
        "plots/validate",
        "plots/quantize",
        "plots/test",
        "registered.json",
        "reports/index.html",
        "reports/model_card.md",
    }


def test_code_json_and_the_files_of_the_template_are_current():
    check_project(Paths(ROOT))


def test_readme_tree_is_the_real_tree():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text.partition("<!-- tree -->")[2].partition("<!-- /tree -->")[0]
    listed = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("      ")}
    real = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert listed == real - {"__init__.py", "py.typed"}


def test_every_source_file_has_its_test_file_and_the_other_way_round():
    mirrored = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    expected = {mirror_of(path) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or has_code(path)}
    assert expected - mirrored == set(TESTED_ELSEWHERE)
    others = {name for name in mirrored - expected if name.partition("/")[0] not in OTHER_TESTS}
    assert others == set(WITHOUT_A_SOURCE)


def mirror_of(path: Path) -> str:
    """`a/b.py` -> `a/test_b.py`; a package's own code is tested in `a/test_init.py`."""
    relative = path.relative_to(PACKAGE)
    return relative.with_name(f"test_{path.stem.strip('_')}.py").as_posix()


def has_code(path: Path) -> bool:
    """Whether an `__init__.py` defines functions or classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)


def test_no_folder_has_too_many_entries():
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    entries = {
        folder.relative_to(PACKAGE).as_posix(): len(
            [path for path in folder.iterdir() if path.name not in {"__pycache__", "__init__.py", "py.typed"}]
        )
        for folder in folders
    }
    assert {name for name, number in entries.items() if number > MAX_ENTRIES} == set(LARGE_FOLDERS)


def test_no_file_or_function_is_too_long():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= MAX_FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, f"{path}: {node.name}"


def test_no_test_imports_a_private_name():
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headrace"):
                private = [
                    alias.name for alias in node.names if alias.name.startswith("_") and not alias.name.startswith("__")
                ]
                assert not private, f"{path}: {private}"


def test_words_of_no_standard_do_not_come_back():
    words = re.compile(r"\b(told|tells|mends?|mended|kept|lean|looked|_tell)\b")
    uses = sum(len(words.findall(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py"))
    assert uses <= MAX_DIALECT
