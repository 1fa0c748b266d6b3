from pathlib import Path

from headrace.training.reporting.history import NAMES, read_history, write_history

EPOCH = {
    "epoch": 0, "step": 10, "train_loss": 1.25, "train_accuracy": 0.1, "val_loss": 1e-9, "val_accuracy": 1.0,
    "learning_rate": 0.003, "samples_per_second": 1234.5,
}  # fmt: skip


def test_history_reads_back_as_it_was_written(tmp_path: Path) -> None:
    epochs = [EPOCH, {**EPOCH, "epoch": 1, "step": 20}]
    write_history(tmp_path / "history.csv", epochs)
    read = read_history(tmp_path / "history.csv")
    assert read == epochs
    assert [type(read[0][name]) for name in ("epoch", "step", "val_accuracy")] == [int, int, float]
    names = [name for name in NAMES if not name.endswith("_mae")]
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == ",".join(names)


def test_history_leaves_out_other_keys_and_what_is_missing(tmp_path: Path) -> None:
    write_history(tmp_path / "history.csv", [{"epoch": 0, "step": 3, "kind": "epoch"}])
    assert read_history(tmp_path / "history.csv") == [{"epoch": 0, "step": 3}]


def test_history_of_no_file_is_empty(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []


def test_history_of_a_regression_has_its_own_columns(tmp_path: Path) -> None:
    epoch = {"epoch": 0, "step": 10, "train_loss": 1.25, "train_mae": 12.5, "val_loss": 1e-9, "val_mae": 25.0}
    write_history(tmp_path / "history.csv", [epoch])
    assert read_history(tmp_path / "history.csv") == [epoch]
    assert "accuracy" not in (tmp_path / "history.csv").read_text()
