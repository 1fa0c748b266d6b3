"""The table of epoch metrics: every metric of a task has an entry, and one entry reaches everything that shows it."""

import pytest
import torch

from headrace.cluster.hyperparameter_search import Search
from headrace.cluster.trial_journal import Journal
from headrace.paths import Paths
from headrace.stages import tune
from headrace.stages.train import Config, run
from headrace.tasks import TASKS
from headrace.tasks.metrics import EPOCH_METRICS, MetricInfo, metric_info, select_summary
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.training.reporting.history import read_history
from headrace.training.search.trials import make_trials_table


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_metrics_of_every_task_are_in_the_table(task):
    assert set(task.metric_names) < set(EPOCH_METRICS)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", EPOCH_METRICS)
def test_metric_info_ignores_the_split(split, name):
    assert metric_info(f"{split}_{name}") is EPOCH_METRICS[name]


def test_summary_is_of_the_rows_of_a_split_and_of_the_served_graph():
    metrics = {"rmse": 2.0, "rmse_low": 1.5, "r2": 0.5}
    assert select_summary("validate", metrics) == {"val/rmse": 2.0}
    assert select_summary("test", metrics) == {"test/rmse": 2.0, "test/r2": 0.5}
    sizes = {"passed": 1, "int8_bytes": 100, "fp32_bytes": 300, "int8_latency_ms": 1.0}
    assert select_summary("quantize", sizes) == {"served/bytes": 100}
    assert select_summary("quantize", {**sizes, "passed": 0}) == {"served/bytes": 300}
    assert select_summary("clean", metrics) == select_summary("quantize", {}) == {}


@pytest.fixture
def top2(monkeypatch: pytest.MonkeyPatch) -> str:
    """Adds a metric to the table and to the classification task."""
    classification = TASKS["classification"]
    metric_sums = classification.metric_sums

    def with_top2(outputs, batch, options):
        hits = (outputs.topk(2).indices == batch.targets[:, None]).any(dim=1)
        return torch.cat([metric_sums(outputs, batch, options), (hits * batch.weights).sum(0, keepdim=True)])

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(EPOCH_METRICS, "top2", MetricInfo("top-2 accuracy", True, ".2%", ".1%"))
    monkeypatch.setattr(classification, "metric_names", ("accuracy", "top2"), raising=False)
    monkeypatch.setattr(classification, "metric_sums", with_top2, raising=False)
    return "top2"


def test_new_metric_reaches_terminal_history_mlflow_tune_and_metrics(
    trained: Paths, top2: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}
    metrics = run(Config(model=model, max_epochs=2, batch_size=100, num_workers=0), trained)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    history = read_history(trained.plots_dir("train") / "history.csv")
    values = [epoch[f"val_{top2}"] for epoch in history]
    assert len(lines) == len(values) == 2
    assert all(value > epoch["val_accuracy"] for value, epoch in zip(values, history, strict=True))
    assert all(f"val top-2 accuracy {value:.2%}" in line for value, line in zip(values, lines, strict=True))
    assert all(
        metrics[f"{split}_{top2}"] == history[metrics["kept_epoch"] - 1][f"{split}_{top2}"]
        for split in ("train", "val")
    )

    client = connect(trained)
    (mlflow_run,) = client.search_runs([find_or_create_experiment(client, trained)])
    logged = client.get_metric_history(mlflow_run.info.run_id, f"fit/val_{top2}")
    assert [metric.value for metric in logged] == values

    wanted = Search([{"seed": 0}, {"seed": 1}], 2, 1, 4, tune.Config(metric=f"val_{top2}").metric)
    journal = Journal(trained.state_dir / "trials", wanted, lambda _: None)
    for index, epochs in enumerate([history[:1], [{**history[1], f"val_{top2}": 1.0}]]):
        for epoch in epochs:
            journal.add(index, epoch)
        journal.close(index)
    table = [line.split() for line in make_trials_table(journal.trials(), f"val_{top2}")]
    assert table[0][:2] == ["trial", f"val_{top2}"]
    assert [row[:2] for row in table[1:]] == [["1", "1.0000"], ["0", f"{values[0]:.4f}"]], "higher is better"
