"""What is printed: within 80 columns, the verdict first, and names from data as they are."""

import io

import pytest
from rich.console import Console

from headrace.comparison.compare_models import compare_models
from headrace.comparison.terminal_view import MAX_DIFFERENCES, MAX_ROWS, print_comparisons
from tests.comparison.stored_models import draw_classes, draw_labels, draw_values, make_record


def show(models):
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_comparisons(models, compare_models(models, None, 12), console)
    return console.file.getvalue()


@pytest.mark.parametrize("draw", [draw_classes, draw_labels, draw_values])
def test_every_task_fits_80_columns_and_begins_with_the_verdict(make_models, draw):
    text = show(make_models(draw(500, 0.6, 2), draw(500, 0.9, 3), draw(500, 0.7, 4)))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(("B is better than A: ", "B is worse than A: "))
    assert "C is " in text
    for heading in ("Metrics, A -> B", "What differs, A -> C", "Rows, A -> B", "Parts of the rows, A -> C"):
        assert heading in lines
    assert "data: the same" in lines


def test_names_in_brackets_are_no_markup_and_long_lists_are_cut(make_models):
    names = ["[red]", "[/bold]", "x" * 90]
    settings = [{"train": {f"key_{at}": at + offset for at in range(MAX_DIFFERENCES + 3)}} for offset in (0, 1)]
    records = [make_record(settings=each) for each in settings]
    text = show(
        make_models(*(draw_classes(400, q, s, classes=names) for q, s in ((0.6, 2), (0.9, 3))), records=records)
    )
    assert "[red]" in text
    assert "[/bold]" in text
    assert "3 more: --page, --json" in text
    assert sum(line.startswith("pets.csv:") for line in text.splitlines()) <= 2 * MAX_ROWS


def test_models_without_common_rows_are_not_compared(make_models):
    text = show(make_models(draw_classes(40, 0.8, 2), draw_values(40, 1.0, 2)))
    assert text.startswith("A and B cannot be compared: A is a classification")
    assert "Metrics" not in text
    assert "What differs, A -> B" in text
