"""Outs of DVC, from a project to another: by a folder, or by the DVC remote."""

import hashlib
from pathlib import Path

import pytest

from headrace.cluster.jobs.outs import (
    has_usable_remote,
    is_tracked,
    is_up_to_date,
    list_whole_stages,
    pull_outs,
    push_outs,
    push_source,
    tracking_file,
)
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths

DVC = "stages:\n  a: {cmd: echo, outs: [data/raw]}\n  b: {cmd: echo, deps: [data/raw], outs: [models/net]}\n"


def make_project(root: Path, remote: str = "") -> Path:
    config = f"[core]\n    remote = all\n['remote \"all\"']\n    url = {remote}\n" if remote else ""
    for name, text in {".dvc/config": config, "dvc.yaml": DVC}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def put_in_cache(root: Path, content: bytes) -> str:
    """Adds an object to DVC's cache; returns its MD5."""
    digest = hashlib.md5(content).hexdigest()
    place = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return digest


def run_first_stage(root: Path) -> None:
    """Leaves what `dvc repro a` leaves: the out, its object in the cache, and the lock."""
    digest = put_in_cache(root, b"rows")
    (root / "data").mkdir()
    (root / "data" / "raw").write_bytes(b"rows")
    lock = "schema: '2.0'\nstages:\n  a:\n    cmd: echo\n    outs:\n    - path: data/raw\n      hash: md5\n"
    (root / "dvc.lock").write_text(f"{lock}      md5: {digest}\n      size: 4\n")


def test_outs_come_back_by_a_folder_also_over_others(tmp_path: Path) -> None:
    there, here = make_project(tmp_path / "there"), make_project(tmp_path / "here")
    run_first_stage(there)
    push_outs(there, ["a"], tmp_path / "objects")
    (here / "dvc.lock").write_text((there / "dvc.lock").read_text())
    (here / "data").mkdir()
    (here / "data" / "raw").write_text("older rows")
    pull_outs(here, ["a"], tmp_path / "objects")
    assert (here / "data" / "raw").read_text() == "rows"
    assert list_whole_stages(here) == ["a"]
    assert is_up_to_date(Paths(here), ["a"])
    assert not is_up_to_date(Paths(here)), "b never ran"


def test_a_stage_that_failed_after_it_wrote_is_not_whole(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    assert list_whole_stages(root) == []
    run_first_stage(root)
    (root / "data" / "raw").write_text("rows of a run that failed")
    assert list_whole_stages(root) == []


def test_outs_come_back_by_the_remote_of_the_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = tmp_path / "shared"
    there = make_project(tmp_path / "there", str(shared))
    here = make_project(tmp_path / "here", str(shared))
    run_first_stage(there)
    assert not has_usable_remote(there)
    assert capsys.readouterr().out == f"headrace: the DVC remote is not used: {shared} does not exist here\n"
    shared.mkdir()
    assert has_usable_remote(there)
    (here / "dvc.lock").write_text((there / "dvc.lock").read_text())
    with pytest.raises(ClusterError, match="dvc pull: "):
        pull_outs(here, ["a"])
    push_outs(there, ["a"])
    pull_outs(here, ["a"])
    assert (here / "data" / "raw").read_text() == "rows"


def test_a_source_goes_by_the_remote_unless_it_changed_since_it_was_added(tmp_path: Path) -> None:
    shared, source = tmp_path / "shared", tmp_path / "here" / "rows.csv"
    here = make_project(tmp_path / "here", str(shared))
    digest = put_in_cache(here, b"rows")
    source.write_text("rows")
    tracking_file(source).write_text(f"outs:\n- md5: {digest}\n  size: 4\n  hash: md5\n  path: rows.csv\n")
    assert is_tracked(here, source)
    push_source(here, source)
    assert [path.read_text() for path in shared.rglob("*") if path.is_file()] == ["rows"]
    source.write_text("other rows")
    with pytest.raises(ConfigError, match=r"rows\.csv: differs from rows\.csv\.dvc; run: dvc add rows\.csv"):
        push_source(here, source)


def test_a_project_without_a_remote_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not has_usable_remote(make_project(tmp_path))
    assert capsys.readouterr().out == ""
