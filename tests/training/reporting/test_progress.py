import pytest

from headrace.training.reporting.events import Event
from headrace.training.reporting.progress import progress

STEP: Event = {
    "kind": "step", "epoch": 0, "step": 5, "learning_rate": 0.00312, "loss": 1.23456, "samples_per_second": 12345.6,
}  # fmt: skip
EPOCH: Event = {
    "kind": "epoch", "epoch": 0, "step": 10, "learning_rate": 0.003, "train_loss": 0.5, "train_accuracy": 0.8,
    "val_loss": 0.25, "val_accuracy": 0.9876, "samples_per_second": 4321.0,
}  # fmt: skip


def test_progress_without_a_terminal_is_one_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2, 0) as show:
        for epoch in range(2):
            show({**STEP, "epoch": epoch})
            show({**EPOCH, "epoch": epoch, "step": 10 + 10 * epoch})
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        "epoch 1/2  step 10  loss 0.500  val loss 0.250  val accuracy 98.76%  lr 3.0e-03  4,321 samples/s",
        "epoch 2/2  step 20  loss 0.500  val loss 0.250  val accuracy 98.76%  lr 3.0e-03  4,321 samples/s",
    ]


def test_progress_on_a_terminal_is_one_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich treat stderr as a terminal
    monkeypatch.setenv("COLUMNS", "80")
    with progress(2, 0) as show:
        show(STEP)
        show(EPOCH)
    output = capsys.readouterr()
    assert output.out == ""
    assert "1/2 loss 1.235 val 0.250 98.8% lr 3e-03 4,321 samples/s" in output.err, "it fits into 80 columns"


def test_progress_of_a_regression_shows_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    epoch = {name: value for name, value in EPOCH.items() if "accuracy" not in name}
    with progress(2, 0) as show:
        show({**epoch, "train_mae": 250.0, "val_mae": 237.456})
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/2  step 10  loss 0.500  val loss 0.250  val error 237.5  lr 3.0e-03  4,321 samples/s"
    ]
