"""Compares a network with the baselines on the same rows: values, paired intervals, and one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics
from headrace.errors import DataError
from headrace.evaluation.baselines.cache import FittedBaseline
from headrace.evaluation.baselines.estimators import describe_baseline
from headrace.evaluation.baselines.process import BaselineLimits, load_or_fit
from headrace.evaluation.comparison import difference_interval
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.metrics.multilabel import best_threshold, sigmoid
from headrace.evaluation.predictions import Predictions
from headrace.paths import Paths

REPORT = "baselines.json"
DOCS = "docs/baselines.md"
PRIOR = "prior"
"""The baseline that ignores the inputs."""
INTERVALS = ("low", "high", "difference", "difference_low", "difference_high")
Floats = NDArray[np.float64]


class BaselineComparison(NamedTuple):
    """A network beside its baselines on the rows of one split."""

    report: Json
    """The content of `baselines.json`."""
    metrics: Metrics
    """`baseline_<short name>` of each, `baseline_best`, and the network's lead over the best one (`over_baseline`) and
    over `prior` (`over_prior`), with their 95 % intervals; empty if off."""

    @property
    def remark(self) -> str:
        """The sentence of the report if the network is not better beyond doubt; else empty."""
        is_better = self.metrics.get("over_baseline_low", self.metrics.get("over_baseline", 1)) > 0
        return "" if is_better else str(self.report["sentence"])


def compare_on_validation(
    paths: Paths, limits: BaselineLimits, predictions: Predictions, calibration: Metrics
) -> BaselineComparison:
    """Fits the baselines, or takes them from the cache, and chooses the best one, for test rows too."""
    fitted = load_or_fit(paths, limits)
    thresholds = {
        name: best_threshold(sigmoid(each.outputs["val"]), predictions.arrays.targets > 0)
        for name, each in fitted.items()
        if isinstance(each, FittedBaseline) and predictions.spec.task == "multilabel"
    }
    settings = {"limits": limits._asdict(), "thresholds": thresholds}
    return _compare(fitted, settings, predictions, calibration, split="val")


def compare_with_validated(
    paths: Paths, predictions: Predictions, calibration: Metrics, *, split: str
) -> BaselineComparison:
    """Compares with the best baseline of `validate`, of which those that it skipped are skipped again."""
    validated = _read_report(paths)
    limits = BaselineLimits(**validated["limits"])
    fitted = load_or_fit(paths, limits, skipped=validated["skipped"])
    return _compare(fitted, validated, predictions, calibration, split=split)


def _read_report(paths: Paths) -> Json:
    path = paths.report_dir("validate") / REPORT
    try:
        report: Json = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force validate") from None
    return report


def _compare(
    fitted: Mapping[str, FittedBaseline | str],
    settings: Json,
    predictions: Predictions,
    calibration: Metrics,
    *,
    split: str,
) -> BaselineComparison:
    """`settings` has the limits, the thresholds of labels, and, unless this chooses it, the `best` baseline."""
    evaluator, targets = find_evaluator(predictions.spec), predictions.arrays.targets
    quality = evaluator.quality_by_row(predictions.logits, targets, find_cutoff(calibration))
    entries: dict[str, Json] = {}
    for name, each in fitted.items():
        entry: Json = {"name": describe_baseline(name, predictions.spec), "short_name": name}
        if isinstance(each, FittedBaseline):
            threshold = settings["thresholds"].get(name)
            cutoff = find_cutoff({"micro_f1": 0, "threshold": threshold} if threshold is not None else {})
            own = evaluator.quality_by_row(each.outputs[split], targets, cutoff)
            entries[name] = entry | _measure(quality, own, is_proportion=evaluator.quality == "accuracy")
            entries[name] |= {"rows": each.num_rows, "fit_seconds": each.fit_seconds, "skipped": None}
        else:
            nothing = dict.fromkeys(("value", *INTERVALS, "rows", "fit_seconds"))
            entries[name] = entry | nothing | {"skipped": each}
    values = {name: entry["value"] for name, entry in entries.items() if entry["skipped"] is None}
    best: str = settings.get("best") or max(values, key=lambda name: values[name], default="")
    report = {
        "metric": evaluator.quality,
        "model": float(quality.mean()),
        "best": best,
        "baselines": list(entries.values()),
        "sentence": describe(entries.get(best, {}), evaluator.quality),
        "skipped": {name: entry["skipped"] for name, entry in entries.items() if entry["skipped"]},
        "limits": settings["limits"],
        "thresholds": settings["thresholds"],
    }
    return BaselineComparison(report, _to_metrics(values, entries, best))


def describe(entry: Json, metric: str) -> str:
    """One plain sentence on the network and its best baseline; empty without any.

    >>> entry = {"name": "gradient boosting", "difference": -0.014, "difference_low": -0.022, "difference_high": -0.006}
    >>> describe(entry, "accuracy")
    'gradient boosting is better than the network by 1.4 points (0.6 to 2.2); consider it, or see docs/baselines.md'
    """
    if not entry:
        return ""
    low, middle, high = (entry[key] for key in ("difference_low", "difference", "difference_high"))
    scale, unit = (100, "points") if metric == "accuracy" else (1, {"r2": "in R2", "micro_f1": "in micro F1"}[metric])
    digits = 1 if metric == "accuracy" else 3

    def phrase(*values: float | None) -> str:
        first, *ends = ("?" if value is None else f"{value * scale + 0.0:.{digits}f}" for value in values)
        return f"{first} {unit} ({ends[0]} to {ends[1]})"

    if low is not None and low > 0:
        return f"the network is better than the best baseline, {entry['name']}, by {phrase(middle, low, high)}"
    if high is not None and high < 0:
        by = phrase(-middle, -high, -low)
        return f"{entry['name']} is better than the network by {by}; consider it, or see {DOCS}"
    by = phrase(middle, low, high)
    return f"the network is not clearly better than {entry['name']}: the difference is {by}; see {DOCS}"


def _measure(quality: Floats, own: Floats, *, is_proportion: bool) -> Json:
    """Value and difference with their 95 % intervals, null for a single row, for which there is none."""
    value, low, high = difference_interval(own, np.zeros(len(own)))
    if is_proportion:
        low, high = wilson_interval(float(own.sum()), len(own))
    numbers = (value, low, high, *difference_interval(quality, own))
    return {
        key: number if isfinite(number) else None for key, number in zip(("value", *INTERVALS), numbers, strict=True)
    }


def _to_metrics(values: Mapping[str, float | None], entries: Mapping[str, Json], best: str) -> Metrics:
    if values.get(best) is None:
        return {}
    metrics: Metrics = {f"baseline_{name}": value for name, value in values.items() if value is not None}
    metrics["baseline_best"] = metrics[f"baseline_{best}"]
    for lead, name in (("over_baseline", best), (f"over_{PRIOR}", PRIOR)):
        numbers = {lead: entries[name]["difference"]} if name in values else {}
        numbers |= {f"{lead}_{end}": entries[name][f"difference_{end}"] for end in ("low", "high") if numbers}
        metrics |= {key: number for key, number in numbers.items() if number is not None}
    return metrics
