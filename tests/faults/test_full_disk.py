"""A really full disk: one line, exit code 2, and nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawn import rows, write_raw

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root"),
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
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    command = [sys.executable, "-m", "headrace", name]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("headrace: ")
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    assert "free space" in done.stderr


def test_ingest_on_a_full_disk_leaves_nothing(tmp_path, small_disk):
    project = tmp_path / "project"
    small_disk(project / "data", kilobytes=512)
    (project / "params.yaml").write_text("ingest: {source: mnist5k}\n")
    assert_refused(stage(project, "ingest"))
    assert files_below(project / "data") == []
    assert not (project / "metrics").exists()


@pytest.mark.slow
def test_normalize_on_a_full_disk_keeps_what_was_there(tmp_path, small_disk):
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text("ingest: {source: mnist5k}\n")
    small_disk(project / "data", kilobytes=6500)  # three copies of the rows fit, the arrays of 4 MB do not
    for name in ("ingest", "clean", "split"):
        done = stage(project, name)
        assert done.returncode == 0, done.stderr
    before = files_below(project / "data")
    assert_refused(stage(project, "normalize"))
    assert files_below(project / "data") == before


@pytest.mark.parametrize("folder", ["data", ".headrace"])
def test_clean_on_a_full_disk_keeps_what_was_there(tmp_path, small_disk, folder):
    listed = [row | {"text": f"{row['text']} {os.urandom(4000).hex()}"} for row in rows("text", 200)]
    paths = write_raw(tmp_path / "project", "text", listed)
    paths.params_path.write_text("clean: {checks: {label_error: 'off'}}\n")
    shutil.move(paths.raw_dir, tmp_path / "raw")
    small_disk(paths.root / folder, kilobytes=1500 if folder == "data" else 16)
    shutil.copytree(tmp_path / "raw", paths.raw_dir)
    before = files_below(paths.root / "data")
    assert_refused(stage(paths.root, "clean"))
    assert files_below(paths.root / "data") == before
    assert not paths.clean_dir.exists()
    assert files_below(paths.state_dir / "scratch") == []
    assert not paths.clean_report_path.exists()


@pytest.mark.slow
def test_normalize_of_texts_on_a_full_disk_keeps_what_was_there(tmp_path, small_disk):
    paths = write_raw(tmp_path / "project", "text", rows("text", 3000), rows_per_batch=500)
    paths.params_path.write_text("clean: {checks: {label_error: 'off'}}\nnormalize: {text: {vocabulary: 300}}\n")
    for name in ("clean", "split"):
        done = stage(paths.root, name)
        assert done.returncode == 0, done.stderr
    shutil.move(paths.root / "data", tmp_path / "data")
    used = sum(path.stat().st_size // 4096 + 1 for path in (tmp_path / "data").rglob("*") if path.is_file())
    # targets and row ids of 120 KB fit, and most of the tokens of 400 KB
    small_disk(paths.root / "data", kilobytes=4 * used + 350)
    shutil.copytree(tmp_path / "data", paths.root / "data", dirs_exist_ok=True)
    before = files_below(paths.root / "data")
    assert_refused(stage(paths.root, "normalize"))
    assert files_below(paths.root / "data") == before


@pytest.mark.slow
def test_training_on_a_full_disk_is_one_line(trained, small_disk):
    small_disk(trained.state_dir / "train", kilobytes=8)
    trained.params_path.write_text(
        "train: {model: {name: cnn, blocks: [8, pool], dense: [16]}, max_epochs: 2, num_workers: 0}\n"
    )
    before = files_below(trained.trained_dir)
    assert_refused(stage(trained.root, "train"))
    assert files_below(trained.trained_dir) == before
