"""The files of a new project: `dvc.yaml` without source files, and a dep on the user's own data."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace import __version__
from headrace.commands.project_template import find_local_source, make_dvc_yaml, write_project
from headrace.paths import OUTS
from headrace.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]


def stages_of(text: str) -> Any:
    return YAML(typ="safe").load(text)["stages"]


@pytest.mark.parametrize("has_git", [True, False])
def test_write_project_without_git_turns_dvcs_scm_off(tmp_path: Path, has_git: bool) -> None:
    write_project(tmp_path, ROOT / "recipes" / "wine.yaml", has_git=has_git)
    assert ("no_scm = True" in (tmp_path / ".dvc" / "config").read_text()) != has_git
    assert (tmp_path / "requirements.lock").read_text().endswith(f"\nheadrace=={__version__}\n")
    ignored = (tmp_path / ".gitignore").read_text().split()
    assert {"/data", "/models", "/metrics", "/.headrace"} <= set(ignored)


def test_dvc_yaml_is_that_of_the_clone_without_the_code() -> None:
    template = (ROOT / "dvc.yaml").read_text()
    ours, theirs = stages_of(make_dvc_yaml(template, "")), stages_of(template)
    assert list(ours) == list(STAGES)
    for name in STAGES:
        deps = [dep for dep in theirs[name]["deps"] if not dep.startswith("pipeline/")]
        assert ours[name]["deps"] == [*deps, "requirements.lock"]
        assert ours[name]["cmd"] == f"headrace {name}"
        assert sorted(ours[name]["outs"]) == sorted(theirs[name]["outs"]) == sorted(OUTS[name])
        assert {key: ours[name][key] for key in ("params", "metrics")} == {
            key: theirs[name][key] for key in ("params", "metrics")
        }
    assert YAML(typ="safe").load(make_dvc_yaml(template, ""))["plots"] == YAML(typ="safe").load(template)["plots"]


@pytest.mark.parametrize(
    ("source", "deps"),
    [
        ("titanic.csv", ["titanic.csv"]),
        ("sets/photos", ["sets/photos"]),
        ("shards/*.parquet", ["shards"]),
        ("*.csv", []),
        ("/data/photos", []),
        ("~/photos", []),
        ("", []),
    ],
)
def test_ingest_depends_on_a_source_inside_the_project(source: str, deps: list[str]) -> None:
    stages = stages_of(make_dvc_yaml((ROOT / "dvc.yaml").read_text(), source))
    assert stages["ingest"]["deps"] == [*deps, "requirements.lock"]
    assert not [name for name in STAGES[1:] if set(deps) & set(stages[name]["deps"])]


@pytest.mark.parametrize(
    ("source", "expected"), [("mnist", ""), ("https://x.org/a.zip", ""), ("s3://b/c", ""), ("a.csv", "a.csv")]
)
def test_local_source_is_a_path(source: str, expected: str) -> None:
    assert find_local_source({"ingest": {"source": source}}) == expected
