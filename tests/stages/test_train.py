"""Train in the calling process; tests/cluster and tests/e2e train on Ray workers."""

import json
import subprocess
import sys

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.errors import ClusterError, ConfigError, DataError
from headrace.stages.train import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import WEIGHTS, read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import wait_until_sent
from headrace.tracking.serving_package import make_card
from headrace.training.reporting.history import read_history

MODEL = {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16]}
QUICK = {"model": MODEL, "max_epochs": 4, "batch_size": 25, "learning_rate": 0.01, "num_workers": 0}


def runs_of(paths):
    wait_until_sent(paths)
    client = connect(paths)
    return client, client.search_runs([find_or_create_experiment(client, paths)])


def test_train_writes_a_bundle_with_a_correct_graph(normalized):
    metrics = run(Config(**QUICK), normalized)
    bundle, val = read_bundle(normalized.trained_dir), open_arrays(normalized.normalized_dir / "val")
    accuracy = (bundle.graph().predict(val.inputs).argmax(axis=1) == val.targets).mean()
    assert accuracy == pytest.approx(metrics["val_accuracy"], abs=0.006)
    assert metrics["val_accuracy"] > 0.8
    assert metrics["workers"] == 0
    assert metrics["export_difference"] < 1e-4
    assert bundle.card.settings["batch_size"] == 25
    assert len(read_history(normalized.plots_dir("train") / "history.csv")) == metrics["epochs"] == 4
    assert not list((normalized.state_dir / "train").iterdir()), "the resume state of a finished training is removed"


@pytest.mark.slow
def test_train_logs_steps_and_settings_to_mlflow(normalized):
    metrics = run(Config(**QUICK), normalized)
    client, (run_info,) = runs_of(normalized)
    assert run_info.info.status == "FINISHED"
    assert run_info.data.params["model.name"] == "cnn"
    assert run_info.data.params["learning_rate"] == "0.01"
    history = client.get_metric_history(run_info.info.run_id, "fit/val_loss")
    assert [metric.step for metric in history] == [20, 40, 60, 80]
    assert min(metric.value for metric in history) == pytest.approx(metrics["val_loss"], abs=1e-6)
    assert run_info.data.metrics["fit/samples_per_second"] > 0
    assert run_info.data.metrics["fit/learning_rate"] >= 0


@pytest.mark.slow
def test_train_with_auto_keeps_its_choice_and_trains_as_with_fixed_settings(normalized, capsys, monkeypatch):
    automatic = {**QUICK, "learning_rate": "auto", "batch_size": "auto", "num_threads": "auto"}
    with monkeypatch.context() as patched, pytest.raises(DataError):
        patched.setattr("headrace.quantization.onnx_export.MAX_EXPORT_DIFFERENCE", -1.0)
        run(Config(**automatic), normalized)
    (chosen,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("chosen: ")]
    monkeypatch.setattr("headrace.stages.train.decide", lambda *_: pytest.fail("the settings were resolved before"))
    metrics = run(Config(**automatic), normalized)
    assert chosen in capsys.readouterr().out
    assert f"learning_rate {metrics['learning_rate']:.1e}" in chosen
    assert f"batch_size {metrics['batch_size']} " in chosen
    settings = read_bundle(normalized.trained_dir).card.settings
    first = (normalized.trained_dir / WEIGHTS).read_bytes()
    monkeypatch.undo()
    run(Config(**settings), normalized)
    assert (normalized.trained_dir / WEIGHTS).read_bytes() == first
    assert capsys.readouterr().out.count("chosen") == 0
    _, runs = runs_of(normalized)
    assert {item.data.params["learning_rate"] for item in runs} == {str(metrics["learning_rate"])}


@pytest.mark.slow
def test_train_twice_gives_the_same_weights(normalized):
    run(Config(**QUICK), normalized)
    first = (normalized.trained_dir / WEIGHTS).read_bytes()
    run(Config(**QUICK), normalized)
    assert (normalized.trained_dir / WEIGHTS).read_bytes() == first
    run(Config(**QUICK, seed=1), normalized)
    assert (normalized.trained_dir / WEIGHTS).read_bytes() != first


@pytest.mark.slow
def test_train_uses_the_best_settings_of_a_search(normalized):
    best = {"learning_rate": 0.02, "model": {**MODEL, "dense": [8]}}
    trial = {"settings": {"learning_rate": 0.02}, "metrics": {"val_loss": 0.5}, "epochs": 1, "status": "FINISHED"}
    normalized.tune_path.parent.mkdir()
    normalized.tune_path.write_text(json.dumps({"num_trials": 1, "best": best, "trials": [trial]}))
    run(Config(**QUICK), normalized)
    card = read_bundle(normalized.trained_dir).card
    assert card.settings["learning_rate"] == 0.02
    assert card.model["dense"] == [8]
    _, runs = runs_of(normalized)
    parent = next(item for item in runs if "mlflow.parentRunId" not in item.data.tags)
    (child,) = [item for item in runs if "mlflow.parentRunId" in item.data.tags]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics["val/val_loss"] == 0.5


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_workers": 64, "batch_size": 64}, ClusterError, "params.yaml: train.num_workers: "),
        ({"model": {"name": "cnn", "blocks": [8, "pool"] * 5}}, ConfigError, "use fewer blocks"),
        ({"augmentation": [{"name": "Affine", "rotate": "far"}]}, ConfigError, "train.augmentation.0: Affine does not"),
        ({"model": {"name": "no_such_package:Net"}}, ConfigError, "cannot import"),
    ],
)
def test_train_refuses_before_it_starts(normalized, changes, error, message):
    with pytest.raises(error) as caught:
        run(Config(**{**QUICK, **changes}), normalized)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not normalized.trained_dir.exists()
    assert runs_of(normalized)[1] == [], "no run is started for what cannot be trained"


@pytest.mark.slow
def test_train_that_fails_leaves_no_running_run_and_the_old_bundle(normalized, monkeypatch):
    run(Config(**QUICK), normalized)
    before = (normalized.trained_dir / WEIGHTS).read_bytes()
    monkeypatch.setattr("headrace.quantization.onnx_export.MAX_EXPORT_DIFFERENCE", -1.0)
    with pytest.raises(DataError, match="differ from the network's"):
        run(Config(**QUICK, seed=3), normalized)
    assert (normalized.trained_dir / WEIGHTS).read_bytes() == before
    _, runs = runs_of(normalized)
    assert sorted(item.info.status for item in runs) == ["FAILED", "FINISHED"]


@pytest.mark.slow
def test_train_imports_no_mlflow(normalized):
    program = (
        "import sys; from pathlib import Path; from headrace.paths import Paths\n"
        "from headrace.commands.run_stage import run_stage; run_stage('train', Paths(Path.cwd()))\n"
        "print([name for name in ('mlflow', 'sqlalchemy') if name in sys.modules])"
    )
    normalized.params_path.write_text(json.dumps({"train": QUICK | {"max_epochs": 1}}))
    done = subprocess.run([sys.executable, "-c", program], cwd=normalized.root, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    _, (run_info,) = runs_of(normalized)
    assert run_info.data.metrics["train/epochs"] == 1


def test_train_continues_while_mlflow_is_down(normalized, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    metrics = run(Config(**QUICK), normalized)
    assert np.isfinite(metrics["val_loss"])
    assert any("the training continues" in message for message in caplog.messages)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("project", "model"),
    [
        (("table", "classification"), {"name": "mlp", "dense": [16]}),
        (("table", "regression"), {"name": "mlp", "dense": [16]}),
        (("text", "classification"), {"name": "text_mean", "width": 8}),
        (("text", "regression"), {"name": "rnn", "cell": "gru", "width": 8, "hidden": 8}),
    ],
    indirect=["project"],
)
def test_train_of_texts_and_tables_writes_a_correct_graph(project, model, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project.params_path.write_text("{}\n")
    metrics = run(Config(**{**QUICK, "model": model, "max_epochs": 6}), project)
    val, graph = open_arrays(project.normalized_dir / "val"), read_bundle(project.trained_dir).graph()
    outputs = graph.predict(val.inputs)
    names = {name for name in metrics if name.startswith(("train_", "val_"))}
    history = read_history(project.plots_dir("train") / "history.csv")
    if Spec.read(project.normalized_dir).task == "classification":
        assert names == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
        assert (outputs.argmax(axis=1) == val.targets).mean() == pytest.approx(metrics["val_accuracy"], abs=0.007)
        assert metrics["val_accuracy"] > 0.85
    else:
        assert names == {"train_loss", "train_mae", "val_loss", "val_mae"}
        assert np.abs(outputs[:, 0] - val.targets).mean() == pytest.approx(metrics["val_mae"], rel=1e-3)
        assert metrics["val_mae"] < np.abs(val.targets - val.targets.mean()).mean() / 2
    assert metrics["export_difference"] < 1e-4
    assert names < set(history[0])


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_train_of_two_classes_with_one_output_exports_two(project, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project.params_path.write_text("{}\n")
    changes = {"model": {"name": "mlp", "dense": [16]}, "max_epochs": 6, "loss": "bce", "class_weights": "balanced"}
    metrics = run(Config(**{**QUICK, **changes}), project)
    bundle, val = read_bundle(project.trained_dir), open_arrays(project.normalized_dir / "val")
    logits = bundle.graph().predict(val.inputs)
    assert {tensor.shape[0] for name, tensor in bundle.weights().items() if name.endswith("bias")} == {16, 1}
    assert np.array_equal(logits[:, 0], -logits[:, 1])
    assert (logits.argmax(axis=1) == val.targets).mean() == pytest.approx(metrics["val_accuracy"], abs=0.007)
    assert metrics["val_accuracy"] > 0.85
    assert metrics["export_difference"] < 1e-4


@pytest.mark.parametrize(
    ("project", "changes", "message"),
    [
        (("text", "classification"), {"model": {"name": "cnn"}},
         "train.model.name: 'cnn' is not a model for text data"),
        (("text", "classification"), {"model": {"name": "text_mean"}, "class_weights": {"cross": 2, "sqare": 3}},
         "train.class_weights."),
        (("table", "classification"), {"model": {"name": "linear"}, "gradient_checkpointing": True},
         "train.gradient_checkpointing: true, and model 'linear' has no blocks to recompute"),
    ],
    indirect=["project"],
)  # fmt: skip
def test_train_refuses_what_does_not_fit_the_data(project, changes, message):
    before = (project.trained_dir / WEIGHTS).read_bytes()
    with pytest.raises(ConfigError) as caught:
        run(Config(**{**QUICK, **changes}), project)
    assert str(caught.value).startswith(f"params.yaml: {message}")
    assert "\n" not in str(caught.value)
    assert (project.trained_dir / WEIGHTS).read_bytes() == before
    assert runs_of(project)[1] == []


QUICK_PRIVATE = QUICK | {"model": MODEL | {"activation": "tanh"}, "max_epochs": 2, "batch_size": 50}


def test_train_reports_the_spent_budget_in_metrics_and_card(normalized):
    metrics = run(Config(**QUICK_PRIVATE, privacy={"epsilon": 20.0, "clip": 0.5}), normalized)
    assert 19.5 < metrics["epsilon"] <= 20
    assert metrics["delta"] == pytest.approx(500**-1.1)
    assert metrics["noise_multiplier"] > 0
    bundle = read_bundle(normalized.trained_dir)
    budget = {"clip": 0.5, "secure": True, **{name: metrics[name] for name in ("epsilon", "delta", "noise_multiplier")}}
    assert bundle.card.lineage["privacy"] == budget
    assert make_card(bundle, {"temperature": 1.0})["privacy"] == budget
    assert not list((normalized.state_dir / "train").iterdir()), "the key is gone"


def test_train_without_privacy_reports_no_budget(normalized):
    metrics = run(Config(**{**QUICK_PRIVATE, "max_epochs": 1}), normalized)
    assert not {"epsilon", "delta", "noise_multiplier"} & set(metrics)
    bundle = read_bundle(normalized.trained_dir)
    assert "privacy" not in bundle.card.lineage
    assert "privacy" not in make_card(bundle, {"temperature": 1.0})


def test_train_warns_of_reproducible_noise(normalized, caplog):
    run(Config(**{**QUICK_PRIVATE, "max_epochs": 1}, privacy={"epsilon": 20.0, "secure": False}), normalized)
    assert any("the model is not private" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "resnet"}}, "train.model: 'resnet' has BatchNorm2d, which mixes the rows"),
        ({"privacy": {"epsilon": 3.0, "delta": 0.1}}, "train.privacy.delta: 0.1 does not protect 500 train rows"),
    ],
)
def test_train_refuses_what_cannot_be_private(normalized, changes, message):
    with pytest.raises(ConfigError) as caught:
        run(Config(**{**QUICK_PRIVATE, "privacy": {"epsilon": 3.0}, **changes}), normalized)
    assert str(caught.value).startswith(f"params.yaml: {message}")
    assert "\n" not in str(caught.value)
    assert runs_of(normalized)[1] == []
