"""Diagnoses a tested model, and writes what was found into the report of the stage `test`."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from headrace.contracts import Metrics
from headrace.evaluation.diagnosis.figures import draw_figures
from headrace.evaluation.diagnosis.mistakes import write_mistakes
from headrace.evaluation.diagnosis.out_of_distribution import (
    measure_out_of_distribution,
    summarize_out_of_distribution,
)
from headrace.evaluation.diagnosis.robustness import (
    RobustnessRow,
    make_plot,
    measure_robustness,
    summarize_robustness,
)
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.diagnosis.worst_slices import describe_worst, find_worst_slices, make_table
from headrace.evaluation.result import Table, write_tables
from headrace.storage.atomic import write_json, write_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Diagnosis:
    """What the stage adds to its own results."""

    metrics: Metrics
    plots: dict[str, Table]
    """File name without `.csv` -> a table for `dvc plots`."""


def diagnose(subject: Subject, folder: Path, *, robustness_rows: int, num_mistakes: int) -> Diagnosis:
    """Writes slices, robustness, mistakes, figures and the out-of-distribution score below `folder`, which exists."""
    metric = subject.result.metric
    worst = find_worst_slices(subject.result, subject.slices, seed=subject.seed)
    sentence = describe_worst(worst, metric)
    if sentence:
        logger.warning("test: %s", sentence)
    robustness = measure_robustness(subject, robustness_rows) if robustness_rows else []
    tables = {"worst_slices": make_table(worst, metric), "robustness": Table(RobustnessRow._fields, robustness)}
    write_tables(folder, tables)
    unfamiliar = measure_out_of_distribution(subject)
    write_json(folder / "out_of_distribution.json", unfamiliar)
    mistakes = write_mistakes(folder, subject, num_mistakes)
    write_text(folder / "mistakes.json", json.dumps(mistakes, indent=2, ensure_ascii=False) + "\n")
    for name, svg in draw_figures(subject):
        write_text(folder / "figures" / f"{name}.svg", svg)
    metrics = summarize_robustness(robustness, subject.quality) | summarize_out_of_distribution(unfamiliar)
    return Diagnosis(metrics, {"robustness": make_plot(robustness)})
