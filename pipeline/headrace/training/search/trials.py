"""The trials of a search: which was best, and what a person is shown of them."""

from __future__ import annotations

from headrace.contracts import Json

FIGURES = ("val_loss", "val_accuracy", "val_mae")
RISING = ("val_accuracy",)
ERROR = "refused"
"""Key under which a trial reports why it cannot be trained."""
ROWS_SHOWN = 10
LONGEST_CELL = 28


def ended_trial(settings: Json, history: list[Json], metric: str, error: str = "") -> Json:
    """What is kept of a trial: the figures of its best epoch, how many it had, and why it failed if it did."""
    best = ranked([{"metrics": epoch} for epoch in history if metric in epoch], metric)[:1]
    metrics = {name: float(best[0]["metrics"][name]) for name in FIGURES if name in best[0]["metrics"]} if best else {}
    failure = {"error": error or "it told no figure"} if error or not metrics else {}
    status = "FAILED" if failure else "FINISHED"
    return {"settings": settings, "metrics": metrics, "epochs": len(history), "status": status, **failure}


def ranked(trials: list[Json], metric: str) -> list[Json]:
    """The best first."""
    sign = -1 if metric in RISING else 1
    return sorted(trials, key=lambda trial: sign * trial["metrics"][metric])


def finished(trials: list[Json]) -> list[Json]:
    """Those that did not fail."""
    return [trial for trial in trials if trial["status"] == "FINISHED"]


def trials_table(trials: list[Json], metric: str) -> list[str]:
    """Lines: the best trials with their figures and settings, then why others failed."""
    best = ranked(finished(trials), metric)
    keys = list(trials[0]["settings"])
    figures = [name for name in (metric, *FIGURES) if best and name in best[0]["metrics"]]
    figures = list(dict.fromkeys(figures))
    rows = [["trial", *figures, "epochs", *keys]]
    for trial in best[:ROWS_SHOWN]:
        told = [f"{trial['metrics'][name]:.4f}" for name in figures]
        rows.append(
            [str(trials.index(trial)), *told, str(trial["epochs"]), *(_cell(trial["settings"][key]) for key in keys)]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if len(best) > ROWS_SHOWN:
        lines.append(f"and {len(best) - ROWS_SHOWN} more: reports/tune.json")
    failed = [(index, trial["error"]) for index, trial in enumerate(trials) if trial["status"] == "FAILED"]
    return lines + [f"trial {index} failed: {error}" for index, error in failed]


def _cell(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."
