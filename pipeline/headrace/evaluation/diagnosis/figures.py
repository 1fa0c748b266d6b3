"""Figures of the test: reliability, confusion, ROC, precision and recall, residuals."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.diagnosis.svg_chart import BOTTOM, COLOURS, HEIGHT, LEFT, TOP, WIDTH, Chart, shorten
from headrace.evaluation.metrics.classification import confusion_matrix, wilson_interval
from headrace.evaluation.metrics.ranking_curves import RankingCurve, area_under_roc, average_precision, trace_ranking

Floats = NDArray[np.float64]
MAX_MATRIX_CLASSES = 12
MAX_CONFUSIONS = 14
MAX_CURVES = 6
MAX_POINTS = 200
NAME_LENGTH = 14
STRONG = 0.83
"""Fraction of a class from which on white is easier to read on its cell than black."""


def draw_figures(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yields the name and the SVG of each figure that the task has."""
    for name, draw in FIGURES.items():
        chart = draw(subject)
        if chart is not None:
            yield name, chart.to_svg()


def draw_reliability(subject: Subject) -> Chart | None:
    """Accuracy by confidence, with Wilson's interval of each bin."""
    bins = list(subject.result.plots["calibration"].rows)
    if not bins:
        return None
    error = subject.result.metrics["ece"]
    parts = "; ".join(f"at {confidence:.2f}: {accuracy:.2f} of {rows} rows" for confidence, accuracy, rows in bins)
    chart = Chart(f"Reliability (calibration error {error:.3f})", f"Accuracy by mean confidence of each bin: {parts}")
    chart.draw_axes("confidence", "accuracy")
    chart.draw_line([(0, 0), (1, 1)])
    for confidence, accuracy, rows in bins:
        chart.draw_range(confidence, *wilson_interval(accuracy * rows, rows))
    chart.draw_line([(confidence, accuracy) for confidence, accuracy, _ in bins], colour=0)
    chart.draw_dots((confidence, accuracy) for confidence, accuracy, _ in bins)
    return chart


def draw_confusion(subject: Subject) -> Chart | None:
    """A matrix of counts; of many classes, the commonest confusions."""
    if subject.predictions.spec.task != "classification":
        return None
    classes = subject.predictions.spec.classes
    counts = confusion_matrix(subject.predictions.arrays.targets, subject.predictions.predicted, len(classes))
    top = list_confusions(counts, classes)
    listed = "; ".join(f"{actual} taken for {predicted}: {count}" for actual, predicted, count in top[:5])
    description = f"{np.trace(counts)} of {counts.sum()} rows right. Most frequent: {listed or 'no confusions'}"
    if len(classes) > MAX_MATRIX_CLASSES:
        return _draw_bars(Chart("Most frequent confusions", description), top)
    return _draw_matrix(Chart("Confusion (rows: actual, columns: predicted)", description), counts, classes)


def list_confusions(counts: NDArray[np.int64], classes: list[str]) -> list[tuple[str, str, int]]:
    """(actual, predicted, rows) of different classes, the commonest first, without empty ones."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]
    cells = [(int(at) // len(classes), int(at) % len(classes)) for at in order]
    return [(classes[row], classes[column], int(wrong[row, column])) for row, column in cells if wrong[row, column]]


def draw_roc(subject: Subject) -> Chart | None:
    """True against false positives, with the area and its interval."""
    curves = trace_curves(subject)
    areas = {name: area_under_roc(scores[truth], scores[~truth]) for name, (scores, truth, _) in curves.items()}
    lines = [f"{shorten(name, NAME_LENGTH)} {area.value:.3f}" for name, area in areas.items()]
    described = "; ".join(
        f"{name}: {area.value:.3f} ({area.low:.3f} to {area.high:.3f})" for name, area in areas.items()
    )
    points = {name: (curve.false_positive_rate, curve.true_positive_rate) for name, (*_, curve) in curves.items()}
    chart = _draw_curves("ROC (area)", f"Area under the curve (95 % interval): {described}", points, lines)
    if chart is not None:
        chart.draw_axes("false positive rate", "true positive rate")
        chart.draw_line([(0, 0), (1, 1)])
        _add_curves(chart, points)
    return chart


def draw_precision_recall(subject: Subject) -> Chart | None:
    """Precision by recall, with the average precision."""
    curves = trace_curves(subject)
    averages = {name: average_precision(curve) for name, (*_, curve) in curves.items()}
    lines = [f"{shorten(name, NAME_LENGTH)} {average:.3f}" for name, average in averages.items()]
    described = "; ".join(f"{name}: {average:.3f}" for name, average in averages.items())
    points = {name: (curve.true_positive_rate, curve.precision) for name, (*_, curve) in curves.items()}
    chart = _draw_curves("Precision and recall (average precision)", f"Average precision: {described}", points, lines)
    if chart is not None:
        chart.draw_axes("recall", "precision")
        _add_curves(chart, points)
    return chart


def draw_residuals(subject: Subject) -> Chart | None:
    """Error by predicted value."""
    points = [(float(value), float(error)) for value, error in subject.result.plots["residuals"].rows]
    if not points:
        return None
    values, errors = np.array(points, np.float64).T
    reach = float(np.abs(errors).max()) or 1.0
    unit = " (in standard deviations)" if subject.predictions.spec.targets else ""
    description = f"Root mean square {subject.result.metrics['rmse']:.4g}, largest shown {reach:.4g}{unit}"
    chart = Chart(f"Error by predicted value{unit}", description)
    low, high = float(values.min()), float(values.max())
    chart.draw_axes("predicted", "predicted minus actual", (low, high if high > low else low + 1), (-reach, reach))
    chart.draw_line([(low, 0), (max(high, low), 0)])
    chart.draw_dots(points, radius=2.5, opacity=0.5)
    return chart


FIGURES: dict[str, Callable[[Subject], Chart | None]] = {
    "reliability": draw_reliability,
    "confusion": draw_confusion,
    "roc": draw_roc,
    "precision_recall": draw_precision_recall,
    "residuals": draw_residuals,
}
"""Name of the file without `.svg` -> what draws it; None where the task has no such figure."""


def trace_curves(subject: Subject) -> dict[str, tuple[Floats, NDArray[np.bool_], RankingCurve]]:
    """Class or label against the rest -> scores, truth `[rows]` and the curve.

    Of two classes only the second; of many the MAX_CURVES with the lowest recall. A class without rows, or that every
    row has, has no curve.
    """
    spec, probabilities = subject.predictions.spec, subject.result.predictions.get("probabilities")
    if probabilities is None:
        return {}
    targets, names = subject.predictions.arrays.targets, spec.classes
    is_multilabel = spec.task == "multilabel"
    indices = range(1, 2) if len(names) == 2 and not is_multilabel else range(len(names))  # noqa: PLR2004
    truths = {at: targets[:, at] > 0 if is_multilabel else targets == at for at in indices}
    varying = [at for at, truth in truths.items() if truth.any() and not truth.all()]
    recall = {at: float((probabilities.argmax(axis=1) == at)[truths[at]].mean()) for at in varying}
    worst = sorted(sorted(varying, key=recall.__getitem__)[:MAX_CURVES])
    return {
        names[at]: (
            probabilities[:, at],
            np.asarray(truths[at]),
            trace_ranking(probabilities[:, at], np.asarray(truths[at])),
        )
        for at in worst
    }


def _draw_curves(
    title: str, description: str, points: dict[str, tuple[Floats, Floats]], lines: list[str]
) -> Chart | None:
    if not points:
        return None
    chart = Chart(title, description, has_legend=True)
    chart.add_legend(lines)
    return chart


def _add_curves(chart: Chart, points: dict[str, tuple[Floats, Floats]]) -> None:
    for colour, (x, y) in enumerate(points.values()):
        shown = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).astype(int))
        chart.draw_line(zip(x[shown].tolist(), y[shown].tolist(), strict=True), colour=colour)


def _draw_matrix(chart: Chart, counts: NDArray[np.int64], classes: list[str]) -> Chart:
    """Shades each cell by its fraction of the actual class."""
    left = LEFT + 40
    width, height = (chart.right - left) / len(classes), (HEIGHT - BOTTOM - TOP) / len(classes)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    length = max(3, int(width / 7))
    for row, name in enumerate(classes):
        middle = TOP + (row + 0.5) * height + 4
        chart.write(shorten(name, NAME_LENGTH), left - 8, middle, anchor="end")
        chart.write(shorten(name, length), left + (row + 0.5) * width, HEIGHT - BOTTOM + 20, anchor="middle")
        for column in range(len(classes)):
            x, fraction = left + column * width, float(fractions[row, column])
            box = {"x": x, "y": TOP + row * height, "width": width, "height": height}
            chart.add("rect", "cell", **box, fill_opacity=f"{0.04 + 0.96 * fraction:.2f}")
            style = f"cell-ink{' strong' if fraction > STRONG else ''}"
            chart.write(str(counts[row, column]), x + width / 2, middle, anchor="middle", style=style)
    return chart


def _draw_bars(chart: Chart, confusions: list[tuple[str, str, int]]) -> Chart:
    left, step = WIDTH / 2, (HEIGHT - TOP - 16) / MAX_CONFUSIONS
    largest = max((count for *_, count in confusions), default=1)
    for index, (actual, predicted, count) in enumerate(confusions):
        y, width = TOP + index * step, count / largest * (WIDTH - left - 60)
        chart.write(f"{shorten(actual, 18)} as {shorten(predicted, 18)}", left - 8, y + step / 2 + 4, anchor="end")
        chart.add("rect", x=left, y=y + 3, width=width, height=step - 6, fill=COLOURS[0])
        chart.write(str(count), left + width + 6, y + step / 2 + 4)
    return chart
