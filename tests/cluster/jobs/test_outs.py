"""Outs of DVC, from a project to another: by a folder, or by the DVC remote."""

import hashlib
from pathlib import Path

import pytest

from headrace.cluster.jobs.outs import has_usable_remote, is_up_to_date, pull_outs, push_outs
from headrace.errors import ClusterError
from headrace.paths import Paths

DVC = "stages:\n  a: {cmd: echo, outs: [data/raw]}\n  b: {cmd: echo, deps: [data/raw], outs: [models/net]}\n"


def make_project(root: Path, remote: str = "") -> Path:
    config = f"[core]\n    remote = all\n['remote \"all\"']\n    url = {remote}\n" if remote else ""
    for name, text in {".dvc/config": config, "dvc.yaml": DVC}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def run_first_stage(root: Path) -> None:
    """Leaves what `dvc repro a` leaves: the out, its object in the cache, and the lock."""
    content = b"rows"
    digest = hashlib.md5(content).hexdigest()
    for place in (root / "data/raw", root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    lock = "schema: '2.0'\nstages:\n  a:\n    cmd: echo\n    outs:\n    - path: data/raw\n      hash: md5\n"
    (root / "dvc.lock").write_text(f"{lock}      md5: {digest}\n      size: 4\n")


def test_outs_come_back_by_a_folder_also_over_others(tmp_path: Path) -> None:
    there, here = make_project(tmp_path / "there"), make_project(tmp_path / "here")
    run_first_stage(there)
    push_outs(there, tmp_path / "objects")
    (here / "dvc.lock").write_text((there / "dvc.lock").read_text())
    (here / "data").mkdir()
    (here / "data" / "raw").write_text("older rows")
    pull_outs(here, tmp_path / "objects")
    assert (here / "data" / "raw").read_text() == "rows"
    assert is_up_to_date(Paths(here), ["a"])
    assert not is_up_to_date(Paths(here)), "b never ran"


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
        pull_outs(here)
    push_outs(there)
    pull_outs(here)
    assert (here / "data" / "raw").read_text() == "rows"


def test_a_project_without_a_remote_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not has_usable_remote(make_project(tmp_path))
    assert capsys.readouterr().out == ""
