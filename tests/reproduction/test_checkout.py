"""A project at an earlier commit: real repositories of git."""

import os
import subprocess

import pytest
from ruamel.yaml import YAML

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.reproduction.checkout import check_commit, check_out, fix_settings

PARAMS = "ingest: {source: rows/*.csv}\ntrain: {num_threads: auto, batch_size: 32}  # by hand\n"


def git(root, *arguments):
    identity = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | identity).stdout.strip()


@pytest.fixture
def project(tmp_path):
    """A project below the top of its repository, whose rows are not in git."""
    root = tmp_path / "repository" / "models" / "one"
    (root / "rows").mkdir(parents=True)
    (root / "rows" / "a.csv").write_text("x,y\n1,2\n")
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / ".gitignore").write_text("/rows\n")
    git(tmp_path / "repository", "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "one")
    return Paths(root)


def check(project, *, is_forced=False, **lineage):
    return check_commit(project, "pets version 1", lineage, is_forced=is_forced)


def test_commit_must_be_known_here_and_clean(project):
    commit = git(project.root, "rev-parse", "HEAD")
    assert check(project, git_commit=commit, git_dirty=False) == commit
    for lineage, message in (
        ({"git_commit": ""}, "^pets version 1: records no commit, since the project was not in git"),
        ({"git_commit": "0" * 40}, "^pets version 1: its commit 0{40} is not in this repository; get it: git fetch"),
        ({"git_commit": "--help"}, "^pets version 1: its commit --help is not in this repository"),
        ({"git_commit": commit, "git_dirty": True}, f"uncommitted changes to commit {commit[:12]}.*--force runs"),
    ):
        with pytest.raises(DataError, match=message):
            check(project, **lineage)
    assert check(project, is_forced=True, git_commit=commit, git_dirty=True) == commit


def test_checkout_has_the_files_of_the_commit_and_the_untracked_source(project, tmp_path):
    commit = git(project.root, "rev-parse", "HEAD")
    project.params_path.write_text("changed: true\n")
    git(project.root, "commit", "--quiet", "-am", "two")
    (project.root / "notes.txt").write_text("not committed")
    copy = check_out(project, "pets version 1", commit, tmp_path / "copy")
    assert copy.root == tmp_path / "copy" / "models" / "one"
    assert copy.params_path.read_text() == PARAMS
    assert (copy.root / "rows" / "a.csv").read_text() == "x,y\n1,2\n"
    assert not (copy.root / "notes.txt").exists()
    assert git(project.root, "status", "--porcelain") == "?? models/one/notes.txt", "the project itself is not touched"


def test_checkout_without_data_or_settings_is_one_line(project, tmp_path):
    commit = git(project.root, "rev-parse", "HEAD")
    (project.root / "rows" / "a.csv").unlink()
    (project.root / "rows").rmdir()
    with pytest.raises(DataError, match="^pets version 1: its data, rows, are neither in git, nor tracked by DVC, nor"):
        check_out(project, "pets version 1", commit, tmp_path / "first")
    git(project.root, "rm", "--quiet", "dvc.yaml")
    git(project.root, "commit", "--quiet", "-m", "two")
    commit = git(project.root, "rev-parse", "HEAD")
    with pytest.raises(DataError, match=f"^pets version 1: commit {commit[:12]} has no dvc.yaml; commit it"):
        check_out(project, "pets version 1", commit, tmp_path / "second")


def test_values_found_for_auto_are_fixed_and_others_stay(project):
    found = {"num_threads": 3, "batch_size": 64, "num_workers": 0, "learning_rate": 0.1, "seed": 0}
    fix_settings(project, found)
    params = YAML(typ="safe").load(project.params_path)
    assert params["train"] == {"num_threads": 3, "batch_size": 32, "num_workers": 0}
    assert params["ingest"] == {"source": "rows/*.csv"}


def test_settings_without_auto_leave_the_file_as_it_is(project):
    fix_settings(project, {"batch_size": 64})
    assert project.params_path.read_text() == PARAMS
