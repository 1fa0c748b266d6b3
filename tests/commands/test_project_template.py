"""The files of a new project: those of the template, a dep on the user's own data, fingerprints, requirements."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace import __version__
from headrace.commands.project_template import (
    find_local_source,
    find_source_deps,
    merge_dvc_yaml,
    parse_dvc_yaml,
    pin_version,
    read_template,
    write_project,
)
from headrace.fingerprint.stage_code import hash_stages, open_cache
from headrace.paths import OUTS, Paths
from headrace.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
MAX_DVC_YAML_BYTES = 5000
FILE_NAME = re.compile(r"(?<![\w/.-])(?:docs|pipeline|recipes|tools|tests)/[\w./<>-]+|[\w-]+\.lock\b|Makefile")


@pytest.mark.parametrize("has_git", [True, False])
def test_write_project_without_git_turns_dvcs_scm_off(tmp_path: Path, has_git: bool) -> None:
    write_project(tmp_path, ROOT / "recipes" / "wine.yaml", has_git=has_git)
    assert ("no_scm = True" in (tmp_path / ".dvc" / "config").read_text()) != has_git
    assert f"\nheadrace=={__version__}\n" in (tmp_path / "requirements.txt").read_text()
    assert json.loads((tmp_path / "code.json").read_bytes()) == hash_stages(STAGES, open_cache(Paths(tmp_path)))
    ignored = (tmp_path / ".gitignore").read_text().split()
    assert {"/data", "/models", "/metrics", "/.headrace"} <= set(ignored)


def test_dvc_yaml_is_small_and_the_same_text_everywhere(tmp_path: Path) -> None:
    write_project(tmp_path, ROOT / "recipes" / "wine.yaml", has_git=True)
    text = (ROOT / "dvc.yaml").read_bytes()
    assert text == read_template("dvc.yaml").encode() == (tmp_path / "dvc.yaml").read_bytes()
    assert len(text) <= MAX_DVC_YAML_BYTES


def test_gitignore_and_dvc_yaml_name_every_out() -> None:
    stages = YAML(typ="safe").load(read_template("dvc.yaml"))["stages"]
    ignored = read_template(".gitignore").split()
    for name in STAGES:
        assert sorted(stages[name]["outs"]) == sorted([*OUTS[name], f"metrics/{name}.json"])
        assert {f"/{out.partition('/')[0]}" for out in stages[name]["outs"]} <= set(ignored)


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_project_names_no_files_that_it_does_not_have(tmp_path: Path, recipe: Path) -> None:
    write_project(tmp_path, recipe, has_git=True)
    write_project(tmp_path / "sample", ROOT / "params.yaml", has_git=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]
    for path in (path for path in files if "cluster" not in path.parts):
        missing = [name for name in FILE_NAME.findall(path.read_text()) if not (tmp_path / name).exists()]
        assert not missing, path


def test_yaml_without_additions_is_the_template_and_with_them_only_grows() -> None:
    template = read_template("dvc.yaml")
    assert merge_dvc_yaml(template, parse_dvc_yaml(template)) == template
    grown = merge_dvc_yaml(template, {"stages": {"ingest": {"deps": ["a.csv"]}, "clean": {"deps": ["b.csv"]}}})
    added = set(grown.splitlines()) - set(template.splitlines())
    assert added == {"    - a.csv", "    - b.csv"}
    assert not set(template.splitlines()) - set(grown.splitlines())
    assert merge_dvc_yaml(template, parse_dvc_yaml(grown)) == grown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a==1\n", "a==1\nheadrace==VERSION\n"),
        ("a==1\nheadrace==0.0.1\nb", "a==1\nheadrace==VERSION\nb"),
        ("headrace\nheadrace-plugin==1\n", "headrace==VERSION\nheadrace-plugin==1\n"),
    ],
)
def test_version_is_pinned_in_place(text: str, expected: str) -> None:
    assert pin_version(text).endswith(expected.replace("VERSION", __version__))


def test_new_requirements_are_the_versions_of_this_environment() -> None:
    text = pin_version("")
    lines = text.splitlines()[2:]
    assert lines[0] == f"headrace=={__version__}"
    assert f"numpy=={version('numpy')}" in lines
    assert f"dvc-data=={version('dvc-data')}" in lines, "a dependency of DVC"
    assert not any("+" in line for line in lines), "no index but torch's has torch==2.15.0+cpu"
    assert pin_version(text) == text
    assert pin_version(text.replace("numpy==", "numpy==0.")) == text


@pytest.mark.parametrize(
    ("source", "deps"),
    [
        ("titanic.csv", ["${ingest.source}"]),
        ("sets/photos", ["${ingest.source}"]),
        ("/data/photos", ["${ingest.source}"]),
        ("shards/*.parquet", ["shards"]),
        ("*.csv", []),
        ("/data/*.csv", ["/data"]),
        ("/*.csv", []),
        ("~/photos", []),
        ("", []),
    ],
)
def test_ingest_depends_on_a_local_source(source: str, deps: list[str]) -> None:
    assert find_source_deps(source) == deps
    own: dict[str, Any] = {"stages": {"ingest": {"deps": deps}}}
    stages = YAML(typ="safe").load(merge_dvc_yaml(read_template("dvc.yaml"), own))["stages"]
    assert stages["ingest"].get("deps", []) == deps
    assert not [name for name in STAGES[1:] if set(deps) & set(stages[name]["deps"])]


@pytest.mark.parametrize(
    ("source", "expected"), [("mnist", ""), ("https://x.org/a.zip", ""), ("s3://b/c", ""), ("a.csv", "a.csv")]
)
def test_local_source_is_a_path(source: str, expected: str) -> None:
    assert find_local_source({"ingest": {"source": source}}) == expected
