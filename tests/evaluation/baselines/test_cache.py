import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from headrace.evaluation.baselines import cache
from headrace.evaluation.baselines.cache import (
    FittedBaseline,
    find_folder,
    read_fitted,
    read_skipped,
    remove_others,
    write_fitted,
    write_skipped,
)
from headrace.paths import Paths

FITTED = FittedBaseline({"val": np.ones((3, 2), np.float32), "test": np.zeros((4, 2), np.float32)}, 1.25, 90)


def test_predictions_are_read_as_written(tmp_path: Path) -> None:
    assert read_fitted(tmp_path, "linear") is None
    write_fitted(tmp_path, "linear", FITTED)
    fitted = read_fitted(tmp_path, "linear")
    assert (fitted.fit_seconds, fitted.num_rows) == (1.25, 90)
    assert all(np.array_equal(fitted.outputs[split], FITTED.outputs[split]) for split in ("val", "test"))
    assert [path.name for path in tmp_path.iterdir()] == ["linear.npz"]


@pytest.mark.parametrize("damage", ["half", "empty", "other", "flipped"])
def test_a_damaged_file_is_removed_with_one_line(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    write_fitted(tmp_path, "linear", FITTED)
    path = tmp_path / "linear.npz"
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[content.index(b"\0\0\x80\x3f")] ^= 255  # within a stored number: the checksum differs
    path.write_bytes({"half": content[:200], "empty": b"", "other": b"text", "flipped": bytes(flipped)}[damage])
    with caplog.at_level(logging.WARNING):
        assert read_fitted(tmp_path, "linear") is None
    assert len(caplog.records) == 1
    assert "linear.npz: damaged" in caplog.text
    assert caplog.text.strip().count("\n") == 0
    assert not path.exists()


def test_a_file_with_pickled_objects_is_not_read(tmp_path: Path) -> None:
    objects = np.array([{}], object)
    np.savez(tmp_path / "linear.npz", val=objects, test=objects, fit_seconds=1, num_rows=1)
    assert read_fitted(tmp_path, "linear") is None


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_folder_depends_on_data_rows_and_code(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = find_folder(project, 100)
    assert find_folder(project, 100) == folder
    assert folder.parent == project.state_dir / "baselines"
    assert find_folder(project, 101) != folder
    shutil.copytree(project.root, project.root.parent / "copy")
    assert find_folder(Paths(project.root.parent / "copy"), 100).name == folder.name
    with monkeypatch.context() as patched:
        patched.setattr(cache, "FITTING_MODULE", "headrace.evaluation.baselines.features")
        assert find_folder(project, 100) != folder
    targets = np.load(project.normalized_dir / "val" / "targets.npy", mmap_mode="r+")
    targets[0] = 1 - targets[0]
    targets.flush()
    assert find_folder(project, 100) != folder


def test_skipped_ones_are_read_as_written_and_damage_is_forgotten(tmp_path: Path) -> None:
    assert read_skipped(tmp_path) == {}
    write_skipped(tmp_path, "linear", "too slow", 60)
    write_skipped(tmp_path, "boosting", "no", 5)
    expected = {"linear": {"why": "too slow", "seconds": 60}, "boosting": {"why": "no", "seconds": 5}}
    assert read_skipped(tmp_path) == expected
    (tmp_path / cache.SKIPPED).write_text("[")
    assert read_skipped(tmp_path) == {}


def test_other_folders_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    remove_others(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
