"""Validate: models/trained + data/normalized -> {plots,reports}/validate. Calibrates, compares, checks the gate."""

from __future__ import annotations

from headrace.contracts import Metrics
from headrace.evaluation.baselines.compare import REPORT, compare_on_validation
from headrace.evaluation.baselines.process import BaselineLimits
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.gates import check_gate
from headrace.evaluation.predictions import predict_split
from headrace.evaluation.result import write_tables
from headrace.paths import Paths
from headrace.settings.validate import Config
from headrace.storage.atomic import atomic_dir, write_json
from headrace.storage.bundle import read_bundle


def run(config: Config, paths: Paths) -> Metrics:
    """Evaluates the model on the validation rows; raises GateError if the gate is not passed."""
    bundle = read_bundle(paths.trained_dir)
    predictions = predict_split(bundle, paths.normalized_dir / "val")
    result = find_evaluator(bundle.spec).validate(predictions, config.target_accuracy)
    limits = BaselineLimits(config.baselines.seconds, config.baselines.rows)
    comparison = compare_on_validation(paths, limits, predictions, result.metrics)
    with atomic_dir(paths.report_dir("validate")) as folder:
        write_json(folder / REPORT, comparison.report)
    with atomic_dir(paths.plots_dir("validate")) as folder:
        write_tables(folder, result.plots)
    metrics = result.metrics | comparison.metrics
    check_gate(config.gate, metrics, key="validate.gate")
    return metrics
