"""Lineage: hashes of the data from DVC, commit and environment."""

import subprocess

from headrace.fingerprint.stage_code import hash_stages, open_cache
from headrace.paths import Paths
from headrace.tracking.lineage import (
    COMMIT_VARIABLE,
    DIRTY_VARIABLE,
    collect_lineage,
    read_data_hashes,
    read_git_commit,
)


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.check_output(["git", "-C", folder, *identity, *arguments], text=True).strip()


def test_data_hashes_are_those_of_dvc(tmp_path):
    assert read_data_hashes(tmp_path) == {"raw": "", "normalized": ""}
    (tmp_path / "dvc.lock").write_text(
        "schema: '2.0'\n"
        "stages:\n  ingest:\n    cmd: x\n    outs:\n    - {path: data/raw, md5: abc.dir}\n  clean: {cmd: y}\n"
    )
    assert read_data_hashes(tmp_path) == {"raw": "abc.dir", "normalized": ""}


def test_commit_and_changes_are_reported(tmp_path, monkeypatch):
    monkeypatch.delenv(COMMIT_VARIABLE, raising=False)
    assert read_git_commit(tmp_path) == ("", False)
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    (tmp_path / "dvc.lock").write_text("{}")
    git(tmp_path, "add", "file", "dvc.lock")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "dvc.lock").write_text("as dvc repro leaves it after the first stage")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert read_git_commit(tmp_path) == (commit, False)
    (tmp_path / "untracked").write_text("1")
    assert read_git_commit(tmp_path) == (commit, False)
    (tmp_path / "file").write_text("2")
    assert read_git_commit(tmp_path) == (commit, True)


def test_commit_without_git_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(COMMIT_VARIABLE, "f" * 40)
    assert read_git_commit(tmp_path) == ("f" * 40, False)
    for value, is_dirty in (("1", True), ("0", False)):
        monkeypatch.setenv(DIRTY_VARIABLE, value)
        assert read_git_commit(tmp_path) == ("f" * 40, is_dirty)


def test_lineage_names_versions(tmp_path):
    lineage = collect_lineage(Paths(tmp_path), "train", [])
    assert {"torch", "ray", "mlflow", "dvc", "onnxruntime"} <= set(lineage["packages"])
    assert all(lineage["packages"].values())
    assert lineage["python"].startswith("3.")


def test_lineage_has_the_fingerprint_of_the_stage_and_of_models_outside_the_package(tmp_path):
    paths = Paths(tmp_path)
    (tmp_path / "my_nets.py").write_text("width = 1\n")
    built_in = collect_lineage(paths, "train", [{"name": "mlp"}])
    assert built_in["code"] == hash_stages(["train"], open_cache(paths))["train"]
    assert built_in["model_code"] == {}
    own = collect_lineage(paths, "train", [{"name": "my_nets:Two"}])
    (tmp_path / "my_nets.py").write_text("width = 23\n")
    edited = collect_lineage(paths, "train", [{"name": "my_nets:Two"}])
    assert len({built_in["code"], own["code"], edited["code"]}) == 3
    assert list(edited["model_code"]) == ["my_nets"]
