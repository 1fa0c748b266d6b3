from headrace.training.reporting.events import metrics_of, validation_metrics

EVENT = {"kind": "epoch", "epoch": 0, "step": 7, "train_loss": 1.0, "val_loss": 0.5, "val_recall": 0.25}


def test_metrics_are_everything_but_the_position() -> None:
    assert metrics_of(EVENT) == {"train_loss": 1.0, "val_loss": 0.5, "val_recall": 0.25}
    assert metrics_of({"kind": "step", "epoch": 0, "step": 7}) == {}


def test_validation_metrics_are_those_of_validation_rows() -> None:
    assert validation_metrics(EVENT) == {"val_loss": 0.5, "val_recall": 0.25}
