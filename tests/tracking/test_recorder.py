"""What stages append: a training to its end, whatever ends it, and each stage's files."""

import os
from types import SimpleNamespace

import pytest

from headrace.errors import Terminated
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.tracking import recorder as recorder_module
from headrace.tracking.outbox import open_outbox
from headrace.tracking.recorder import record_stages, record_training

EVENT = {"kind": "epoch", "epoch": 0, "step": 7, "val_loss": 0.5, "learning_rate": 0.01, "samples_per_second": 10.0}


def pending(paths):
    return open_outbox(paths).read_pending()


@pytest.fixture
def unsent(tracked, monkeypatch):
    """Nothing takes the events away."""
    monkeypatch.setattr("headrace.tracking.launch.spawn_sender", lambda _: os.getpid())
    return tracked


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"),
     (Terminated, "KILLED")],
)  # fmt: skip
def test_training_is_recorded_to_its_end(unsent, tmp_path, error, status):
    card = read_bundle(unsent.trained_dir).card

    def train():
        with record_training(unsent, card, tmp_path) as recorder:
            recorder.observe(EVENT)
            recorder.history = [EVENT]
            if error:
                raise error

    if error:
        with pytest.raises(error):
            train()
    else:
        train()
    start, metrics, end = pending(unsent)
    assert (start["kind"], metrics["kind"], end["kind"]) == ("start", "metrics", "end")
    assert start["card"]["training_id"] == card.training_id
    assert start["process"]["pid"] == os.getpid()
    assert list(start["files"]) == ["params.yaml"]
    assert metrics["values"] == {"val_loss": 0.5, "learning_rate": 0.01, "samples_per_second": 10.0}
    assert metrics["step"] == 7
    assert end["status"] == status
    assert end["history"] == ([] if error else [EVENT])


def test_events_have_the_settings_that_params_yaml_sets(unsent, tmp_path, monkeypatch):
    unsent.params_path.write_text(
        "split: {by_time: {test_from: 2022-01-03}}\ntrain: {batch_size: 64}\ntune:\nvalidate: {gate: {}}\n"
    )
    write_json(unsent.metrics_path("validate"), {"accuracy": 0.5})
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-cat")
    with record_training(unsent, read_bundle(unsent.trained_dir).card, tmp_path):
        pass
    record_stages(unsent, ["train", "validate"])
    start, _, train, validate = pending(unsent)
    assert start["settings"] == {"split": {"by_time": {"test_from": "2022-01-03"}}}
    assert start["card"]["experiment"] == "puffy-cat"
    assert (train["settings"], validate["settings"]) == ({"train": {"batch_size": 64}}, {"validate": {"gate": {}}})


def test_resumed_training_continues_its_run_and_a_new_one_does_not(unsent, tmp_path):
    card = read_bundle(unsent.trained_dir).card
    for folder in ("a", "a", "b"):
        with record_training(unsent, card, tmp_path / folder):
            pass
    keys = [event["run_key"] for event in pending(unsent) if event["kind"] == "start"]
    assert keys[0] == keys[1] != keys[2]


def test_steps_are_recorded_at_intervals_and_every_epoch(unsent, tmp_path, monkeypatch):
    times = iter([10.0, 10.0, 11.5, 12.5, 12.5])  # read once for a skipped step, else twice
    monkeypatch.setattr(recorder_module, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with record_training(unsent, read_bundle(unsent.trained_dir).card, tmp_path) as recorder:
        for step in (1, 2, 3):
            recorder.observe({"kind": "step", "step": step, "loss": 2.0})
            recorder.observe({**EVENT, "step": step})
    steps = {
        name: [event["step"] for event in pending(unsent) if name in event.get("values", {})]
        for name in ("loss", "val_loss")
    }
    assert steps == {"loss": [1, 3], "val_loss": [1, 2, 3]}


def test_stages_are_recorded_with_all_their_files(unsent):
    (unsent.report_dir("train") / "deep").mkdir(parents=True)
    (unsent.report_dir("train") / "deep" / "page.html").write_text("page")
    (unsent.root / "reports" / "clean.html").write_text("page")
    write_json(unsent.metrics_path("clean"), {"rows_in": 900})
    record_stages(unsent, ["ingest", "clean", "train", "validate"])
    ingest, clean, train = pending(unsent)
    assert set(clean["files"]) == {"metrics/clean.json", "reports/clean.html"}
    assert (ingest["stage"], ingest["metrics"]) == ("ingest", {"rows": 900})
    assert set(train["files"]) == {
        "metrics/train.json", "plots/train/history.csv", "reports/train/deep/page.html",
    }  # fmt: skip
    assert [epoch["step"] for epoch in train["history"]] == [10, 20]
