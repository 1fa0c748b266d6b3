"""The metrics of an epoch. A task reports them by name; everything that shows or compares them looks here."""

from __future__ import annotations

from typing import NamedTuple

from headrace.contracts import Metrics


class MetricInfo(NamedTuple):
    """How a metric is shown, and which values are better."""

    label: str
    is_higher_better: bool
    format: str
    """Format specification for a line of its own."""
    short_format: str
    """Format specification for the progress bar."""


EPOCH_METRICS: dict[str, MetricInfo] = {
    "loss": MetricInfo("loss", is_higher_better=False, format=".3f", short_format=".3f"),
    "accuracy": MetricInfo("accuracy", is_higher_better=True, format=".2%", short_format=".1%"),
    "mae": MetricInfo("error", is_higher_better=False, format=".4g", short_format=".3g"),
}
"""Metric name -> its entry. Every task reports `loss` and its `metric_names`, as `train_<name>` and `val_<name>`."""


def metric_info(key: str) -> MetricInfo:
    """Returns the entry of a key such as `val_accuracy`."""
    return EPOCH_METRICS[key.removeprefix("train_").removeprefix("val_")]


SUMMARIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "validate": ("val", ("accuracy", "micro_f1", "rmse", "loss")),
    "test": (
        "test",
        (
            *("accuracy", "micro_f1", "macro_f1", "rmse", "mae", "r2", "loss", "ece", "over_baseline"),
            *("worst_slice_accuracy", "worst_slice_rmse", "robust_accuracy", "robust_micro_f1", "robust_r2"),
        ),
    ),
}
"""Stage -> prefix, and the metrics to compare first: without intervals, and without times, which are noise."""


def select_summary(stage: str, metrics: Metrics) -> Metrics:
    """Returns the metrics of a stage to compare first, such as `test/accuracy`; empty for stages that have none."""
    if stage == "quantize":
        size = metrics.get("int8_bytes" if metrics.get("passed") else "fp32_bytes")
        return {} if size is None else {"served/bytes": size}
    prefix, names = SUMMARIES.get(stage, ("", ()))
    return {f"{prefix}/{name}": metrics[name] for name in names if name in metrics}
