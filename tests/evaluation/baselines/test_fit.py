import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.evaluation.baselines import fit
from headrace.evaluation.baselines.cache import read_fitted, read_skipped
from headrace.evaluation.baselines.fit import draw_train_rows
from headrace.paths import Paths
from headrace.storage.arrays import create_arrays, open_arrays
from headrace.storage.atomic import write_json, write_text

TABLE = pytest.mark.parametrize("project", [("table", "classification")], indirect=True)


def start(
    paths: Paths, folder: Path, *names: str, seconds: float = 600
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Starts the process; it ends when the returned socket is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "headrace", "fit-baselines", str(paths.root), str(folder), str(seconds)]
        return subprocess.Popen([*command, "1000000", *names], stdin=theirs, start_new_session=True), ours


def make_large_table(paths: Paths, num_rows: int = 60_000, num_columns: int = 60, num_classes: int = 20) -> None:
    """A table of noise, on which gradient boosting takes minutes."""
    rng, shape = np.random.default_rng(0), [num_columns]
    for split, rows in (("train", num_rows), ("val", 20), ("test", 20)):
        writer = create_arrays(paths.normalized_dir / split, num_rows=rows, input_shape=shape, modality="table")
        targets = rng.integers(0, num_classes, rows)
        writer.put(np.arange(rows), rng.normal(size=(rows, num_columns)).astype(np.float32), targets)
        writer.close()
    classes = [str(index) for index in range(num_classes)]
    spec = Spec(
        modality="table", task="classification", source="x", format="x", num_rows=9, classes=classes, input_shape=shape
    )
    write_text(paths.normalized_dir / "spec.json", spec.to_json())
    write_json(paths.normalized_dir / "transform.json", {"inputs": [{"kind": "numeric"}] * num_columns})


@TABLE
def test_predictions_of_both_splits_are_written_in_turn(project: Paths, tmp_path: Path) -> None:
    process, ours = start(project, tmp_path / "out", "prior", "boosting")
    with ours:
        assert process.wait() == 0
    val, test = (open_arrays(project.normalized_dir / split) for split in ("val", "test"))
    for name, accuracy in (("prior", 0.4), ("boosting", 0.9)):
        fitted = read_fitted(tmp_path / "out", name)
        assert fitted.num_rows == len(open_arrays(project.normalized_dir / "train"))
        assert fitted.fit_seconds > 0
        for split, arrays in (("val", val), ("test", test)):
            assert (fitted.outputs[split].argmax(axis=1) == arrays.targets).mean() > accuracy
    assert read_fitted(tmp_path / "out", "linear") is None


@TABLE
def test_an_error_is_recorded_and_the_next_one_is_fitted(project: Paths, tmp_path: Path) -> None:
    inputs = np.load(project.normalized_dir / "train" / "inputs.npy", mmap_mode="r+")
    inputs[:, 0] = np.inf
    inputs.flush()
    process, ours = start(project, tmp_path / "out", "linear", "prior", seconds=60)
    with ours:
        assert process.wait() == 0
    assert read_fitted(tmp_path / "out", "prior") is not None
    assert read_skipped(tmp_path / "out")["linear"]["why"].startswith("ValueError: ")


def test_a_fit_beyond_its_limit_ends_the_process(tmp_path: Path) -> None:
    make_large_table(Paths(tmp_path))
    process, ours = start(Paths(tmp_path), tmp_path / "out", "prior", "boosting", seconds=2)
    with ours:
        assert process.wait() == -14  # SIGALRM
    assert read_fitted(tmp_path / "out", "prior") is not None
    assert read_fitted(tmp_path / "out", "boosting") is None


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    make_large_table(Paths(tmp_path))
    process, ours = start(Paths(tmp_path), tmp_path / "out", "prior", "boosting")
    while read_fitted(tmp_path / "out", "prior") is None:
        time.sleep(0.1)
    ours.close()
    assert process.wait() == 1
    assert read_fitted(tmp_path / "out", "boosting") is None


@TABLE
def test_large_data_are_drawn_at_random_but_always_the_same(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = draw_train_rows(project, 10**9)
    assert np.array_equal(everything.inputs, open_arrays(project.normalized_dir / "train").inputs, equal_nan=True)
    some = draw_train_rows(project, 50)
    assert len(some.targets) == 50
    assert np.array_equal(draw_train_rows(project, 50).inputs, some.inputs, equal_nan=True)
    num_columns = some.spec.input_shape[0]
    monkeypatch.setitem(fit.MAX_VALUES, "table", num_columns * 20)
    assert len(draw_train_rows(project, 50).targets) == 20
