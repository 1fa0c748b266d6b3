import json

import pytest

from headrace.report import quality_sections
from headrace.report.quality_sections import (
    describe_baselines,
    describe_calibration,
    describe_gates,
    describe_mistakes,
    describe_quality,
    describe_robustness,
    describe_slices,
)
from headrace.report.run_files import RunFiles

SECTIONS = [value for name, value in vars(quality_sections).items() if name.startswith("describe_")]


def test_gates_of_both_graphs(complete):
    rows = describe_gates(RunFiles(complete)).tables[0].rows
    assert [row[1:4] for row in rows] == [
        ["float32", "all validation rows", "too few rows"],
        ["chosen", "sex = f", "too few rows"],
    ]
    assert rows[0][4:] == ["0.7", "0.9", "0.6 to 0.97"]


def test_quality_has_intervals_and_the_float32_graph(complete):
    section = describe_quality(RunFiles(complete))
    assert section.tables[0].rows == [
        ["accuracy", "0.8", "0.5 to 0.95", "0.7"],
        ["macro f1", "0.75", "", ""],
        ["agreement with the float32 graph", "0.9", "", ""],
    ]
    assert section.tables[1].rows[0] == ["<bad>", "4", "0.5"]
    assert [picture.alt for picture in section.pictures] == ["8 of 10 rows right"]


def test_baselines_with_differences_or_why_not(complete):
    section = describe_baselines(RunFiles(complete))
    assert section.sentences == ["logistic regression is as good"]
    assert section.tables[0].rows[1] == ["logistic regression", "0.8", "0.5 to 0.95", "0", "-0.1 to 0.1", "0.5"]
    assert section.tables[0].rows[2][3] == "takes too long"


def test_slices_and_worst_slices(complete):
    worst, parts = describe_slices(RunFiles(complete)).tables
    assert worst.rows == [["long", "4", "0.5", "0.15 to 0.85", "0.04"]]
    assert (parts.rows, parts.num_text_columns) == ([["class", "<bad>", "4", "0.5", "0.15 to 0.85"]], 2)


def test_many_slices_are_cut_with_a_line_that_says_so(complete):
    path = complete.report_dir("test") / "slices.csv"
    path.write_text("slice,rows\n" + "".join(f"class={number},9\n" for number in range(25)))
    section = describe_slices(RunFiles(complete))
    assert len(section.tables[1].rows) == 20
    assert section.sentences == ["5 more are in reports/test/slices.csv."]


def test_robustness_and_unfamiliar_rows(complete):
    section = describe_robustness(RunFiles(complete))
    assert [table.rows[0] for table in section.tables] == [
        ["typos", "1", "10", "0.7", "0.4 to 0.9"],
        ["8", "0.6"],
        ["shuffled", "9", "0.9", "0.8 to 1"],
    ]
    assert section.sentences == ["Generated rows."]


def test_calibration_is_of_the_served_graph(complete):
    section = describe_calibration(RunFiles(complete))
    assert section.tables[0].rows == [["ece", "0.02"], ["temperature", "0.76"]]
    assert section.pictures[0].alt == "at 0.9: 0.8 of 10 rows"


def test_mistakes_show_row_and_answers(complete):
    section = describe_mistakes(RunFiles(complete))
    assert section.tables[0].rows == [["reviews.csv:7", "not | bad <i>", "good", "<bad>", "0.99"]]
    assert section.pictures[0].caption == "good, predicted <bad>"
    assert section.pictures[0].uri.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("answers", "shown"),
    [((["a", "b"], []), ("a, b", "none")), (({"y": 1.5}, {"y": 2.0}), ("y 1.5", "y 2")), ((3.25, 1.0), ("3.25", "1"))],
)
def test_mistakes_of_several_labels_and_values(complete, answers, shown):
    mistake = {
        "row_id": "00ff",
        "source": None,
        "label": answers[0],
        "predicted": answers[1],
        "cells": {"a": "x", "b": 2},
    }
    (complete.report_dir("test") / "mistakes.json").write_text(json.dumps([mistake]))
    section = describe_mistakes(RunFiles(complete))
    assert section.tables[0].rows == [["00ff", "a x, b 2", *shown, ""]]
    assert not section.pictures


@pytest.mark.parametrize("describe", SECTIONS, ids=lambda describe: describe.__name__)
def test_section_without_files_says_so(tmp_path, describe):
    from headrace.paths import Paths

    section = describe(RunFiles(Paths(tmp_path)))
    assert section.missing
    assert not section.tables
