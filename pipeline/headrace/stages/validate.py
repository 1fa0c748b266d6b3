"""Validate: models/trained + data/normalized -> {plots,reports}/validate. Calibrates, compares, checks the gate."""

from __future__ import annotations

import logging

from headrace.contracts import Metrics
from headrace.evaluation.baselines.compare import REPORT, compare_on_validation
from headrace.evaluation.baselines.process import BaselineLimits
from headrace.evaluation.evaluators import find_cutoff, find_evaluator
from headrace.evaluation.gates.bounds import Gate
from headrace.evaluation.gates.verdicts import Champion, check_gate, write_champion, write_report
from headrace.evaluation.predictions import predict_split
from headrace.evaluation.result import write_tables
from headrace.paths import Paths
from headrace.settings.validate import Config
from headrace.storage.atomic import atomic_dir, write_json
from headrace.storage.bundle import read_bundle

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Evaluates the model on the validation rows; raises GateError if the gate is not passed.

    `reports/validate/gates.json` is there in both cases.
    """
    bundle = read_bundle(paths.trained_dir)
    predictions = predict_split(bundle, paths.normalized_dir / "val")
    result = find_evaluator(bundle.spec).validate(predictions, config.target_accuracy)
    with atomic_dir(paths.plots_dir("validate")) as folder:
        write_tables(folder, result.plots)
    limits = BaselineLimits(config.baselines.seconds, config.baselines.rows)
    comparison = compare_on_validation(paths, limits, predictions, result.metrics)
    metrics, champion = result.metrics | comparison.metrics, _find_champion(config.gate, paths)
    report = check_gate(config.gate, predictions, metrics, cutoff=find_cutoff(metrics), champion=champion)
    with atomic_dir(paths.report_dir("validate")) as folder:
        write_json(folder / REPORT, comparison.report)
        write_report(folder, report)
        write_champion(folder, champion)
    report.raise_if_failed(metrics)
    for rule in report.undecided:
        logger.warning("validate: %s", rule.describe())
    return metrics


def _find_champion(gate: Gate, paths: Paths) -> Champion:
    if gate.not_worse_than_champion_by is None:
        return Champion(None)
    from headrace.tracking.registry import fetch_champion_outcomes  # imports MLflow only where it is needed

    return fetch_champion_outcomes(paths)
