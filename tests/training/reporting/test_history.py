from pathlib import Path

from headrace.training.reporting.history import read_history, write_history

EPOCH = {
    "epoch": 0, "step": 10, "train_loss": 1.25, "train_accuracy": 0.1, "val_loss": 1e-9, "val_accuracy": 1.0,
    "learning_rate": 0.003, "samples_per_second": 1234.5,
}  # fmt: skip


def test_history_reads_back_as_written(tmp_path: Path) -> None:
    epochs = [EPOCH, {**EPOCH, "epoch": 1, "step": 20}]
    write_history(tmp_path / "history.csv", epochs)
    history = read_history(tmp_path / "history.csv")
    assert history == epochs
    assert [type(history[0][name]) for name in ("epoch", "step", "val_accuracy")] == [int, int, float]
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == ",".join(EPOCH)
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"], "as the terminal counts"


def test_history_has_every_key_of_every_epoch(tmp_path: Path) -> None:
    epochs = [{"epoch": 0, "step": 3}, {"epoch": 1, "step": 6, "val_recall": 0.5}]
    write_history(tmp_path / "history.csv", epochs)
    assert read_history(tmp_path / "history.csv") == epochs


def test_history_of_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []
