"""`headrace predict`: what it says, and its exit codes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.commands.predict import show_drift, summarize
from headrace.evaluation.metrics.drift import Difference
from headrace.prediction.run import PredictRequest, PredictResult
from tests.projects import table_rows, write_csv
from tests.serving import TABLE

REQUEST = PredictRequest("new.csv", Path("out.csv"))


def test_summary_has_rows_version_and_what_was_set_aside():
    result = PredictResult("worth/3", 1200, 0, 0, "", [])
    assert summarize(result, REQUEST) == ["1,200 of 1,200 rows answered by worth/3: out.csv"]
    example = "new.csv:3: column 'size': 'x' is not a number"
    result = PredictResult("worth/3", 1200, 2, 1000, example, [])
    assert summarize(result, REQUEST) == [
        "1,198 of 1,200 rows answered by worth/3, 1,000 of them before an interruption: out.csv",
        f"2 rows set aside, with their reason in the column reason, such as {example}",
    ]


def test_drift_is_shown_with_what_it_cannot_show(capsys):
    shown = [
        Difference("age", "input", 0.4, 0.01, 1e-9, "strongly shifted", "(missing): 10.0% before, 40.0% now"),
        Difference("label", "answer", 0.01, 0.01, 0.5, "alike", "a: 50.0% before, 51.0% now"),
    ]
    show_drift(shown)
    text = capsys.readouterr().out
    assert re.search(r"age +strongly shifted +0\.400 +0\.010 +1e-09", text)
    assert "answer: label" in text
    assert "1 of 2 columns differ" in text
    assert "it cannot say whether the answers are less accurate" in text


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_command_predicts_in_a_project_and_refuses_in_one_line(registered, tmp_path):
    write_csv(tmp_path / "new.csv", [*table_rows(5)[0], table_rows(1)[0][0] | {"size": "x"}])
    command = [sys.executable, "-m", "headrace", "predict", str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")]
    done = subprocess.run(command, cwd=registered.root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("5 of 6 rows answered by worth/1: ")
    refused = subprocess.run([*command, "--strict"], cwd=registered.root, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("headrace: --strict: new.csv:7: column 'size': 'x' is not a number; fix the row")
