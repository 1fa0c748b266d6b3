"""`headrace predict`: writes a file of answers, and says on the terminal what was done and set aside."""

from __future__ import annotations

from headrace.evaluation.metrics.drift import Difference
from headrace.paths import Paths
from headrace.prediction.run import PredictRequest, PredictResult, run_prediction
from headrace.tracking.database import relocate_artifacts

MAX_SHOWN = 20
"""Columns in the table on the terminal; the file has all."""


def predict(request: PredictRequest, paths: Paths) -> None:
    """Predicts, and prints a summary."""
    relocate_artifacts(paths)
    result = run_prediction(request, paths)
    print("\n".join(summarize(result, request)))  # noqa: T201
    if request.has_drift:
        show_drift(result.drift)


def summarize(result: PredictResult, request: PredictRequest) -> list[str]:
    """Returns one line, and one more if rows were set aside."""
    num_answered = result.num_rows - result.num_set_aside
    resumed = f", {result.num_resumed:,} of them before an interruption" if result.num_resumed else ""
    lines = [f"{num_answered:,} of {result.num_rows:,} rows answered by {result.version}{resumed}: {request.output}"]
    if result.num_set_aside:
        example = f", such as {result.example}" if result.example else ""
        lines.append(f"{result.num_set_aside:,} rows set aside, with their reason in the column reason{example}")
    return lines


def show_drift(differences: list[Difference]) -> None:
    """Prints the columns that differ most, and what the comparison can and cannot show."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "verdict", "PSI", "by chance", "p", "largest change"):
        is_number, is_long = name in {"PSI", "by chance", "p"}, name == "largest change"
        table.add_column(name, justify="right" if is_number else "left", no_wrap=not is_long)
    for difference in differences[:MAX_SHOWN]:
        name = difference.column if difference.kind == "input" else f"answer: {difference.column}"
        numbers = (f"{difference.psi:.3f}", f"{difference.psi_by_chance:.3f}", f"{difference.p_value:.2g}")
        table.add_row(name, difference.verdict, *numbers, difference.largest)
    Console(highlight=False).print(table)
    shifted = [each for each in differences if each.verdict.endswith("shifted")]
    print(  # noqa: T201
        f"{len(shifted)} of {len(differences)} columns differ from those of the train rows (answers: of the test rows) "
        "by more than chance explains.\nThis compares one column at a time: it does not see that columns go together "
        "in another way, and without\nlabels it cannot say whether the answers are less accurate."
    )
