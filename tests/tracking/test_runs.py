"""Runs: events applied to a real tracking store, each once, however often they are sent."""

import json
from pathlib import Path

import pytest

from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import keep_sender, wait_until_sent
from headrace.tracking.outbox import open_outbox
from headrace.tracking.recorder import record_stages, record_training
from headrace.tracking.runs import RunWriter, find_finished_run, read_logged

EPOCHS = [{"epoch": epoch, "step": 10 * (epoch + 1), "val_loss": 1 / (epoch + 1)} for epoch in range(6)]


@pytest.fixture
def writer(tracked):
    return RunWriter(connect(tracked), tracked, open_outbox(tracked))


def all_runs(paths):
    client = connect(paths)
    return client.search_runs([find_or_create_experiment(client, paths)])


def apply_twice(writer, paths):
    """Applies what is pending, twice, as after a kill before the position was written; from the start each time."""
    events = open_outbox(paths).read_pending()
    for _ in range(2):
        for event in events:
            writer.apply([event])


def record(paths, tmp_path, epochs=EPOCHS, card=None, trials=None):
    """Records a training of these epochs, without a sender."""
    card = card or read_bundle(paths.trained_dir).card
    with record_training(paths, card, tmp_path / "work", trials) as recorder:
        for epoch in epochs:
            recorder.observe({"kind": "epoch", **epoch})
        recorder.history = EPOCHS


def history(writer, run_id, name="fit/val_loss"):
    return [(metric.step, metric.value) for metric in writer.client.get_metric_history(run_id, name)]


def test_training_sent_twice_is_one_whole_run(tracked, writer, tmp_path):
    record(tracked, tmp_path)
    apply_twice(writer, tracked)
    (run,) = all_runs(tracked)
    assert run.info.status == "FINISHED"
    assert history(writer, run.info.run_id) == [(epoch["step"], epoch["val_loss"]) for epoch in EPOCHS]
    assert run.data.params["model.name"] == "cnn"
    artifacts = {item.path for item in writer.client.list_artifacts(run.info.run_id)}
    assert artifacts == {"lineage.json", "params.yaml", "settings.json"}


def test_a_new_writer_asks_the_server_what_it_has(tracked, writer, tmp_path):
    record(tracked, tmp_path)
    for event in open_outbox(tracked).read_pending()[:4]:  # the start and three epochs
        writer.apply([event])
    again = RunWriter(connect(tracked), tracked, open_outbox(tracked))
    events = open_outbox(tracked).read_pending()
    again.apply(events[:1])
    again.apply([event for event in events if event["kind"] == "metrics"])
    again.apply(events[-1:])
    (run,) = all_runs(tracked)
    assert len(history(again, run.info.run_id)) == 6


@pytest.mark.parametrize("observed", [[], EPOCHS[:2], EPOCHS[3:], [EPOCHS[1], EPOCHS[4]]])
def test_epochs_that_were_not_observed_come_with_the_end_in_their_place(tracked, writer, tmp_path, observed):
    record(tracked, tmp_path, epochs=observed)
    apply_twice(writer, tracked)
    (run,) = all_runs(tracked)
    assert history(writer, run.info.run_id) == [(epoch["step"], epoch["val_loss"]) for epoch in EPOCHS]


def test_second_training_of_the_same_settings_has_its_own_run(tracked, writer, tmp_path):
    record(tracked, tmp_path / "a")
    record(tracked, tmp_path / "b")
    apply_twice(writer, tracked)
    first, second = all_runs(tracked)
    training_id = read_bundle(tracked.trained_dir).card.training_id
    assert find_finished_run(writer.client, writer.experiment_id, training_id) == first.info.run_id
    assert first.info.start_time >= second.info.start_time


def test_names_and_values_that_mlflow_refuses_are_recorded(tracked, writer, tmp_path, caplog):
    card = read_bundle(tracked.trained_dir).card
    weights = {"R&B": 2.0, **{f"class {index} / {'%' * 40}": 1.0 for index in range(150)}}
    card.settings.update(class_weights=weights, model={"name": "cnn", "blocks": ["pool"] * 2000})
    record(tracked, tmp_path, card=card)
    apply_twice(writer, tracked)
    (run,) = all_runs(tracked)
    assert run.info.status == "FINISHED"
    assert run.data.params["class_weights.R:26:B"] == "2.0"
    assert len([name for name in run.data.params if name.startswith("class_weights.")]) == 151
    assert len(run.data.params["model.blocks"]) == 6000
    folder = tmp_path / "down"
    folder.mkdir()
    settings_path = Path(writer.client.download_artifacts(run.info.run_id, "settings.json", str(folder)))
    assert json.loads(settings_path.read_bytes()) == card.settings
    assert "MLflow: train.model.blocks has 16000 characters, and MLflow shows 6000" in caplog.text


def test_trials_are_children_once(tracked, writer, tmp_path):
    trials = [
        {"settings": {"learning_rate": 0.02 * index}, "metrics": {"val_loss": 0.5}, "epochs": 1, "status": status}
        for index, status in enumerate(["FINISHED", "FAILED"])
    ]
    record(tracked, tmp_path, trials=trials)
    apply_twice(writer, tracked)
    children = {run.info.run_name: run for run in all_runs(tracked) if "mlflow.parentRunId" in run.data.tags}
    assert sorted(children) == ["trial-000", "trial-001"]
    assert [children[name].info.status for name in sorted(children)] == ["FINISHED", "FAILED"]
    assert children["trial-001"].data.params == {"learning_rate": "0.02"}
    assert children["trial-000"].data.metrics == {"val/val_loss": 0.5}


def test_run_of_another_server_is_built_from_files(tracked, writer):
    record_stages(tracked, ["ingest", "train", "validate"])
    wait_until_sent(tracked)
    (run,) = all_runs(tracked)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["train/val_accuracy"] == 0.75
    assert run.data.tags["ingest"] == "rows 900"
    assert "ingest/rows" not in run.data.metrics, "a constant in the list of charts"
    assert not [name for name in run.data.metrics if name.startswith("validate/")]
    assert history(writer, run.info.run_id) == [(10, 1.25), (20, 0.75)]


def test_half_built_run_is_completed(tracked, writer, monkeypatch):
    record_stages_without_sending(tracked, ["train"], monkeypatch)
    (event,) = open_outbox(tracked).read_pending()
    with monkeypatch.context() as patched, pytest.raises(ConnectionError):
        patched.setattr(writer.client, "set_terminated", lambda *_, **__: (_ for _ in ()).throw(ConnectionError))
        writer.apply([event])
    assert [run.info.status for run in all_runs(tracked)] == ["RUNNING"]
    writer.apply([event])
    (run,) = all_runs(tracked)
    assert run.info.status == "FINISHED"
    assert len(history(writer, run.info.run_id)) == 2


def record_stages_without_sending(paths, stages, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("headrace.tracking.launch.start_sender", lambda _: None)
        record_stages(paths, stages)


def test_stage_is_logged_once_and_again_when_it_changes(tracked, writer):
    for value in (0.75, 0.75, 0.5):
        write_json(tracked.metrics_path("train"), {"val_accuracy": value, "epochs": 2})
        record_stages(tracked, ["train"])
        wait_until_sent(tracked)
    (run,) = all_runs(tracked)
    values = [value for _, value in history(writer, run.info.run_id, "train/val_accuracy")]
    assert values == [0.75, 0.5]


def test_report_that_changes_while_its_metrics_do_not_is_uploaded(tracked, writer, tmp_path):
    report_path = tracked.report_dir("train") / "page.html"
    report_path.parent.mkdir(parents=True)
    for text in ("first", "second"):
        report_path.write_text(text)
        record_stages(tracked, ["train"])
        wait_until_sent(tracked)
    (run,) = all_runs(tracked)
    (tmp_path / "down").mkdir()
    path = writer.client.download_artifacts(run.info.run_id, "reports/train/page.html", str(tmp_path / "down"))
    assert Path(path).read_text() == "second"
    assert len(history(writer, run.info.run_id, "train/val_accuracy")) == 1
    assert read_logged(run, "train")["time"] == writer.client.get_metric_history(
        run.info.run_id, "train/val_accuracy"
    )[0].timestamp  # fmt: skip


def test_second_run_is_named_by_what_differs_and_has_settings_and_data(tracked, writer, tmp_path, monkeypatch):
    card = read_bundle(tracked.trained_dir).card
    card.lineage.update(git_commit="a1b2c3d4e5", git_dirty=False, data={"raw": "r0", "normalized": "n0"})
    card.spec["source"] = "photos"
    tracked.params_path.write_text("clean: {checks: {duplicate: warn}}\nquantize: {max_loss: 0.02}\n")
    record(tracked, tmp_path / "a", card=card)
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-cat")
    card.settings["learning_rate"] = 0.125
    tracked.params_path.write_text("clean: {checks: {duplicate: drop}}\nquantize: {max_loss: 0.02}\n")
    record(tracked, tmp_path / "b", card=card)
    apply_twice(writer, tracked)
    second, first = all_runs(tracked)
    assert first.info.run_name == "cnn @a1b2c3d"
    assert second.info.run_name == "cnn clean.checks.duplicate=drop lr=0.125 @a1b2c3d (puffy-cat)"
    assert second.data.tags["dvc.experiment"] == "puffy-cat"
    assert second.data.params["clean.checks.duplicate"] == "drop"
    assert "quantize.max_loss" not in second.data.params, "it has not run yet"
    inputs = [(each.dataset.name, each.dataset.digest) for each in second.inputs.dataset_inputs]
    assert sorted(inputs) == [("data/normalized", "n0"), ("photos", "r0")]


def test_settings_of_a_stage_are_parameters_and_later_ones_a_tag(tracked, writer, monkeypatch):
    tracked.params_path.write_text("validate: {baselines: {seconds: 0}}\n")
    write_json(tracked.metrics_path("validate"), {"accuracy": 0.75, "loss": 0.5})
    changes = []
    for seconds in (0, 0, 60, 0):
        tracked.params_path.write_text(f"validate: {{baselines: {{seconds: {seconds}}}}}\n")
        record_stages_without_sending(tracked, ["validate"], monkeypatch)
        for event in open_outbox(tracked).read_pending()[-1:]:
            writer.apply([event])
        (run,) = all_runs(tracked)
        assert run.data.params["validate.baselines.seconds"] == "0", "MLflow cannot change it"
        changes.append(run.data.tags.get("changed.validate"))
    assert changes == [None, None, "validate.baselines.seconds=60", ""]
    assert run.data.metrics["val/accuracy"] == run.data.metrics["validate/accuracy"] == 0.75


def test_resumed_training_whose_checks_changed_keeps_its_run(tracked, writer, tmp_path):
    for level in ("warn", "drop"):
        tracked.params_path.write_text(f"clean: {{checks: {{duplicate: {level}}}}}\n")
        record(tracked, tmp_path)
    apply_twice(writer, tracked)
    (run,) = all_runs(tracked)
    assert run.data.params["clean.checks.duplicate"] == "warn"


def test_deleted_run_does_not_stop_what_follows(tracked, writer, tmp_path, caplog):
    with keep_sender(tracked):
        with record_training(tracked, read_bundle(tracked.trained_dir).card, tmp_path / "work") as recorder:
            recorder.observe({"kind": "epoch", **EPOCHS[0]})
            wait_until_sent(tracked)
            (run,) = all_runs(tracked)
            writer.client.delete_run(run.info.run_id)
            recorder.observe({"kind": "epoch", **EPOCHS[1]})
            wait_until_sent(tracked)
        record_stages(tracked, ["train"])
        wait_until_sent(tracked)
    assert "MLflow refused 1 events; they are in " in caplog.text
    rejected = [json.loads(line) for line in open_outbox(tracked).rejected_path.read_text().splitlines()]
    assert [event["kind"] for event in rejected] == ["metrics", "end"]
    (rebuilt,) = all_runs(tracked)
    assert rebuilt.data.metrics["train/val_accuracy"] == 0.75
