import csv
import json
import logging

import numpy as np
import pytest

from headrace.evaluation.diagnosis.diagnose import diagnose
from headrace.evaluation.slices import SliceKey

RNG = np.random.default_rng(0)
TRANSFORM = {
    "columns": [{"name": "x", "kind": "numeric", "offset": 0.0, "unit": 1.0}],
    "inputs": [{"column": "x", "kind": "numeric"}],
}


def subject_of(make_subject, num_rows=400):
    """A model that knows nothing of half of the rows."""
    cells = RNG.normal(0, 1, (num_rows, 1)).astype(np.float32)
    is_strange = np.arange(num_rows) < num_rows // 2
    targets = np.where(is_strange, RNG.random(num_rows) < 0.5, cells[:, 0] > 0).astype(np.int64)
    slices = {SliceKey("kind", "strange"): is_strange, SliceKey("kind", "usual"): ~is_strange}
    model = lambda rows: np.nan_to_num(rows) * [[-1, 1]]  # noqa: E731
    return make_subject(cells, targets, model, transform=TRANSFORM, slices=slices, classes=["low", "high"])


def test_diagnose_writes_every_report_and_names_the_worst_slice(make_subject, tmp_path, caplog):
    folder = tmp_path / "report"
    folder.mkdir()
    with caplog.at_level(logging.WARNING):
        diagnosis = diagnose(subject_of(make_subject), folder, robustness_rows=50, num_mistakes=5)
    assert {path.name for path in folder.iterdir()} == {
        "worst_slices.csv", "robustness.csv", "out_of_distribution.json", "mistakes.json", "figures",
    }  # fmt: skip
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "reliability.svg", "confusion.svg", "roc.svg", "precision_recall.svg",
    }  # fmt: skip
    assert "rows with kind=strange" in caplog.text
    with (folder / "worst_slices.csv").open() as file:
        worst = list(csv.DictReader(file))
    assert worst[0]["slice"] == "kind=strange"
    assert float(worst[0]["accuracy_low"]) < float(worst[0]["accuracy"]) < 0.7
    with (folder / "robustness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1 + 2 * 5
    assert len(json.loads((folder / "mistakes.json").read_text())) == 5
    assert set(diagnosis.metrics) == {"robust_accuracy", "robust_accuracy_worst", "ood_auroc"}
    assert len(list(diagnosis.plots["robustness"].rows)) == 6


def test_diagnose_of_one_row_writes_every_report(make_subject, tmp_path):
    diagnosis = diagnose(subject_of(make_subject, 1), tmp_path, robustness_rows=0, num_mistakes=0)
    assert json.loads((tmp_path / "mistakes.json").read_text()) == []
    assert (tmp_path / "robustness.csv").read_text() == "name,strength,rows,value,low,high\n"
    assert list(diagnosis.plots["robustness"].rows) == []


@pytest.mark.parametrize("num_rows", [1, 200])
def test_diagnose_of_labels_and_of_several_targets(make_subject, tmp_path, num_rows):
    cells = RNG.normal(0, 1, (num_rows, 1)).astype(np.float32)
    slices = {SliceKey("x", "high"): cells[:, 0] > 0, SliceKey("x", "low"): cells[:, 0] <= 0}
    model = lambda rows: np.nan_to_num(rows) * [[-1, 1]]  # noqa: E731
    transform = TRANSFORM | {"target": {"mean": [0.0, 0.0], "std": [1.0, 2.0]}}
    values = RNG.normal(0, 1, (num_rows, 2)).astype(np.float32)
    cases = {
        "multilabel": ((values > 0).astype(np.float32), {"classes": ["a", "b"]}),
        "regression": (values, {"targets": ["a", "b"]}),
    }
    for task, (actual, fields) in cases.items():
        (tmp_path / task / "report").mkdir(parents=True)
        subject = make_subject(
            cells, actual, model, task=task, transform=transform, slices=slices, folder=tmp_path / task, **fields
        )
        diagnosis = diagnose(subject, tmp_path / task / "report", robustness_rows=50, num_mistakes=5)
        assert f"robust_{subject.quality}" in diagnosis.metrics
        assert ("ood_auroc" in diagnosis.metrics) == (task == "multilabel")
        mistakes = json.loads((tmp_path / task / "report" / "mistakes.json").read_text())
        assert num_rows == 1 or len(mistakes) == 5
