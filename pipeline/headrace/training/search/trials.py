"""The trials of a search: their records, their ranking, and a table of the best."""

from __future__ import annotations

from headrace.contracts import Json
from headrace.tasks.metrics import metric_info
from headrace.training.reporting.events import validation_metrics

ERROR = "refused"
"""Key under which a trial reports an error in its settings."""
ROWS_SHOWN = 10
LONGEST_CELL = 28


def make_trial_record(settings: Json, history: list[Json], metric: str, error: str = "") -> Json:
    """Returns the record of a trial: the metrics of its best epoch, its number of epochs, and any error."""
    best = rank_trials([{"metrics": validation_metrics(epoch)} for epoch in history if metric in epoch], metric)[:1]
    metrics = {name: float(value) for name, value in best[0]["metrics"].items()} if best else {}
    failure = {"error": error or "it reported no metric"} if error or not metrics else {}
    status = "FAILED" if failure else "FINISHED"
    return {"settings": settings, "metrics": metrics, "epochs": len(history), "status": status, **failure}


def rank_trials(trials: list[Json], metric: str) -> list[Json]:
    """Returns the trials, best first."""
    sign = -1 if metric_info(metric).is_higher_better else 1
    return sorted(trials, key=lambda trial: sign * trial["metrics"][metric])


def select_finished(trials: list[Json]) -> list[Json]:
    """Returns the trials that did not fail."""
    return [trial for trial in trials if trial["status"] == "FINISHED"]


def make_trials_table(trials: list[Json], metric: str) -> list[str]:
    """Returns lines: the best trials with their metrics and settings, then the errors of those that failed."""
    best = rank_trials(select_finished(trials), metric)
    keys = list(trials[0]["settings"])
    metrics = list(dict.fromkeys([metric, *best[0]["metrics"]])) if best else []
    rows = [["trial", *metrics, "epochs", *keys]]
    for trial in best[:ROWS_SHOWN]:
        values = [f"{trial['metrics'][name]:.4f}" for name in metrics]
        settings = [_cell(trial["settings"][key]) for key in keys]
        rows.append([str(trials.index(trial)), *values, str(trial["epochs"]), *settings])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if len(best) > ROWS_SHOWN:
        lines.append(f"and {len(best) - ROWS_SHOWN} more: reports/tune.json")
    failed = [(index, trial["error"]) for index, trial in enumerate(trials) if trial["status"] == "FAILED"]
    return lines + [f"trial {index} failed: {error}" for index, error in failed]


def _cell(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."
