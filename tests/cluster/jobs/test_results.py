"""What comes back from a cluster: whole, checked, and nowhere but where results belong."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from headrace.cluster.jobs.results import install_results, pack_results
from headrace.errors import ClusterError
from headrace.paths import Paths


def put(root: Path, *names: str, text: str = "text") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for member in members:
            member.size = 4 if member.isfile() else 0
            made.addfile(member, io.BytesIO(b"evil") if member.isfile() else None)
    content = buffer.getvalue()
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("/etc/cron.d/a"), tarfile.TarInfo("../a"), tarfile.TarInfo("metrics/../../a"),
        tarfile.TarInfo("pipeline/__init__.py"), link("metrics/a", "/etc/passwd", tarfile.SYMTYPE),
        link("metrics/a", "test.json", tarfile.SYMTYPE), link("metrics/a", "dvc.lock", tarfile.LNKTYPE),
    ],
    ids=lambda member: f"{member.name} {member.linkname}",
)  # fmt: skip
def test_results_with_links_or_strange_places_are_refused_whole(tmp_path: Path, member: tarfile.TarInfo) -> None:
    root = tmp_path / "project"
    with pytest.raises(ClusterError):
        install_results(archive(tmp_path / "results", tarfile.TarInfo("metrics/good.json"), member), Paths(root))
    assert [path.name for path in root.rglob("*")] == [".headrace"]


def test_results_that_were_cut_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "results", tarfile.TarInfo("metrics/a.json"))
    whole = path.read_bytes()
    for packed in (whole[:-1], whole[:10], whole[1:], b""):
        path.write_bytes(packed)
        with pytest.raises(ClusterError, match="truncated or changed"):
            install_results(path, Paths(tmp_path))


def test_results_replace_what_the_job_made_and_nothing_else(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    put(there, "metrics/test.json", "reports/test/a.html", "dvc.lock", "data/raw/a", text="new")
    (there / "plots").mkdir()
    (there / "plots" / "train").symlink_to(there / "reports" / "test")  # as DVC links outs into its cache
    put(here, "metrics/test.json", "metrics/clean.json", "reports/test/b.html", text="old")
    pack_results(there, tmp_path / "results", {"register_here": True})
    installed = install_results(tmp_path / "results", Paths(here))
    assert installed.outs == ["metrics/test.json", "reports/test", "plots/train", "dvc.lock"]
    assert installed.about == {"register_here": True}
    files = {path.relative_to(here).as_posix(): path.read_text() for path in here.rglob("*") if path.is_file()}
    assert files == {
        "metrics/test.json": "new", "metrics/clean.json": "old", "reports/test/a.html": "new",
        "plots/train/a.html": "new", "dvc.lock": "new",
    }  # fmt: skip
