import pytest

from headrace.training.search.trials import make_trial_record, make_trials_table, rank_trials, select_finished

HISTORY = [{"epoch": 1, "val_loss": 0.9, "val_accuracy": 0.5}, {"epoch": 2, "val_loss": 0.4, "val_accuracy": 0.6},
           {"epoch": 3, "val_loss": 0.6, "val_accuracy": 0.7}]  # fmt: skip


@pytest.mark.parametrize(("metric", "loss"), [("val_loss", 0.4), ("val_accuracy", 0.6)])
def test_record_has_the_metrics_of_the_best_epoch(metric, loss):
    trial = make_trial_record({"batch_size": 8}, HISTORY, metric)
    assert trial["metrics"]["val_loss"] == loss
    assert (trial["epochs"], trial["status"]) == (3, "FINISHED")
    assert "error" not in trial


def test_record_without_metrics_is_failed():
    assert make_trial_record({}, [], "val_loss")["status"] == "FAILED"
    failed = make_trial_record({}, HISTORY, "val_loss", error="it broke")
    assert (failed["status"], failed["error"]) == ("FAILED", "it broke")


def test_table_has_the_best_trials_first_and_the_errors_last():
    losses = [0.5, 0.25, 0.75]
    trials = [
        {"settings": {"learning_rate": loss / 100}, "metrics": {"val_loss": loss}, "epochs": 2, "status": "FINISHED"}
        for loss in losses
    ]
    trials.append(make_trial_record({"learning_rate": 1.0}, [], "val_loss", error="params.yaml: no"))
    ranked = rank_trials(select_finished(trials), "val_loss")
    assert [trial["metrics"]["val_loss"] for trial in ranked] == [0.25, 0.5, 0.75]
    assert make_trials_table(trials, "val_loss") == [
        "trial  val_loss  epochs  learning_rate",
        "    1    0.2500       2         0.0025",
        "    0    0.5000       2          0.005",
        "    2    0.7500       2         0.0075",
        "trial 3 failed: params.yaml: no",
    ]
    many = [dict(trials[0]) for _ in range(13)]
    assert make_trials_table(many, "val_loss")[-1] == "and 3 more: reports/tune.json"
