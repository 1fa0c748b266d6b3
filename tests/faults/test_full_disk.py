"""A disk that is really full: one line, exit code 2, and nothing half-written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root"),
]


@pytest.fixture
def small_disk():
    """Mounts a file system of some kilobytes as a project's `data`."""
    mounted = []

    def mount(folder, kilobytes):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def stage(folder, name):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline", name]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("headrace: ")
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    assert "make room" in done.stderr


def test_ingest_on_a_full_disk_leaves_nothing(tmp_path, small_disk):
    project = tmp_path / "project"
    small_disk(project / "data", kilobytes=512)
    (project / "params.yaml").write_text("ingest: {source: mnist5k}\n")
    assert_refused(stage(project, "ingest"))
    assert files_below(project / "data") == []
    assert not (project / "metrics").exists()


def test_normalize_on_a_full_disk_keeps_what_was_there(tmp_path, small_disk):
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text("ingest: {source: mnist5k}\n")
    small_disk(project / "data", kilobytes=6500)  # the rows three times over fit, the arrays of 4 MB do not
    for name in ("ingest", "clean", "split"):
        done = stage(project, name)
        assert done.returncode == 0, done.stderr
    before = files_below(project / "data")
    assert_refused(stage(project, "normalize"))
    assert files_below(project / "data") == before


def test_training_on_a_full_disk_is_one_line(trained, small_disk):
    small_disk(trained.state_dir / "train", kilobytes=8)
    trained.params_path.write_text(
        "train: {model: {name: cnn, blocks: [8, pool], dense: [16]}, max_epochs: 2, num_workers: 0}\n"
    )
    before = files_below(trained.trained_dir)
    assert_refused(stage(trained.root, "train"))
    assert files_below(trained.trained_dir) == before
