"""The fingerprint of models outside the package, and the stage of DVC that exists only for them."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.fingerprint.model_code import (
    find_model_modules,
    hash_model_code,
    update_model_code,
    write_model_code,
)
from headrace.paths import Paths
from headrace.storage.atomic import write_json


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    (tmp_path / "params.yaml").write_text("train: {model: {name: 'my_nets:Two', width: 3}}\n")
    (tmp_path / "my_nets.py").write_text("import torch\nfrom helpers import layer\n")
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text("")
    (tmp_path / "helpers" / "layer.py").write_text("size = 1\n")
    return Paths(tmp_path)


@pytest.mark.parametrize(
    ("params", "modules"),
    [
        ({}, set()),
        ({"train": None, "tune": {"space": None}}, set()),
        ({"train": {"model": {"name": "cnn", "blocks": [3, "pool"]}}}, set()),
        ({"train": {"model": {"name": "a.b:Two"}}}, {"a.b"}),
        ({"tune": {"space": {"model": {"choices": [{"name": "a:X"}, {"name": "b:Y"}]}}}}, {"a", "b"}),
        ({"tune": {"space": {"model.name": {"choices": ["a:X", "mlp"]}}}}, {"a"}),
        ({"ingest": {"source": "a:X"}, "train": {"loss": "b:Y"}}, set()),
    ],
)
def test_modules_are_those_that_settings_of_models_name(params: object, modules: set[str]) -> None:
    assert find_model_modules(params) == modules  # type: ignore[arg-type]


def test_fingerprint_covers_what_the_model_imports_from_the_project(project: Paths) -> None:
    before = hash_model_code(["my_nets"], project)
    assert list(before) == ["helpers", "helpers.layer", "my_nets"]
    (project.root / "helpers" / "layer.py").write_text("size = 22\n")
    after = hash_model_code(["my_nets"], project)
    assert {name for name in after if after[name] != before[name]} == {"helpers.layer"}


def test_fingerprint_covers_a_package_elsewhere(
    project: Paths, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("site")
    (elsewhere / "their_nets").mkdir()
    (elsewhere / "their_nets" / "__init__.py").write_text("raise RuntimeError('is not imported')\n")
    (elsewhere / "their_nets" / "nets.py").write_text("from . import blocks\nimport numpy\n")
    (elsewhere / "their_nets" / "blocks.py").write_text("")
    monkeypatch.syspath_prepend(elsewhere)
    assert list(hash_model_code(["their_nets.nets"], project)) == ["their_nets", "their_nets.blocks", "their_nets.nets"]


def test_a_module_that_does_not_exist_is_left_to_the_stage_that_imports_it(project: Paths) -> None:
    assert hash_model_code(["no_such_module"], project) == {}


def test_stage_of_dvc_exists_only_for_models_of_the_users_own(project: Paths) -> None:
    write_json(project.model_code_path, {})
    update_model_code(project)
    folder = project.model_code_path.parent
    stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
    assert stages["fingerprint"]["cmd"] == "headrace fingerprint"
    assert YAML(typ="safe").load(project.model_code_path) == hash_model_code(["my_nets"], project)
    project.params_path.write_text("train: {model: {name: mlp}}\n")
    update_model_code(project)
    assert [path.name for path in folder.iterdir()] == ["fingerprint.json"]
    assert project.model_code_path.read_text() == "{}\n"


def test_a_project_of_an_earlier_version_gets_no_folder_for_models_of_the_package(project: Paths) -> None:
    project.params_path.write_text("train: {model: {name: mlp}}\n")
    update_model_code(project)
    assert not project.model_code_path.parent.exists()


def test_stage_writes_only_the_fingerprint(project: Paths) -> None:
    write_model_code(project)
    assert [path.name for path in project.model_code_path.parent.iterdir()] == ["fingerprint.json"]
