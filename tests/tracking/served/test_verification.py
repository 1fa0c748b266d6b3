"""The check before a registration: a fresh process answers test rows as they were tested, or nothing is registered."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.contracts import Spec
from headrace.errors import GateError
from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect
from headrace.tracking.served import verification
from headrace.tracking.served.verification import ANSWERS, ROWS, find_difference, run_check, verify_served_model
from headrace.tracking.serving_package import write_checksums
from tests.serving import ROW, TABLE, check_in_process, model_dir, register_project

CLASSES: dict[str, Any] = {"task": "classification", "classes": ["a", "b"]}
ANSWER = {"label": "a", "confidence": 0.75, "probabilities": {"a": 0.75, "b": 0.25}}
RECORD = {"row_id": "7", "source": "rows.csv:17", "predicted": "a", "confidence": 0.75,
          "probabilities": {"a": 0.75, "b": 0.25}}  # fmt: skip


def spec_of(**fields: Any) -> Spec:
    return Spec(modality="table", source="x", format="table", num_rows=1, **fields)


def test_same_answers_differ_in_nothing_up_to_the_tolerance() -> None:
    assert find_difference([ANSWER], [RECORD], spec_of(**CLASSES)) == ""
    nearly = {**ANSWER, "confidence": 0.75 + 1e-7, "probabilities": {"a": 0.75 - 1e-7, "b": 0.25}}
    assert find_difference([nearly], [RECORD], spec_of(**CLASSES)) == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": "b"}, "rows.csv:17: label is b, and was a in the test"),
        ({"confidence": 0.7501}, "rows.csv:17: confidence is 0.7501, and was 0.75 in the test"),
        ({"confidence": float("nan")}, "rows.csv:17: confidence is nan"),
        ({"probabilities": {"a": 0.75}}, "rows.csv:17: probabilities is {'a': 0.75}"),
    ],
)
def test_first_different_answer_is_described(change: dict[str, Any], problem: str) -> None:
    answers = [ANSWER, {**ANSWER, **change}]
    assert find_difference(answers, [RECORD, RECORD], spec_of(**CLASSES)).startswith(problem)
    assert find_difference(answers, [RECORD], spec_of(**CLASSES)) == "2 answers to 1 rows"


def test_other_tasks_are_compared_by_their_answers() -> None:
    labels = spec_of(task="multilabel", classes=["b", "a"])
    record = {"row_id": "7", "predicted": '["a", "b"]', "probabilities": {"b": 0.9, "a": 0.8}}
    assert not find_difference([{"labels": ["b", "a"], "probabilities": {"b": 0.9, "a": 0.8}}], [record], labels)
    assert find_difference([{"labels": ["b"], "probabilities": {"b": 0.9, "a": 0.8}}], [record], labels) == (
        "7: labels is ['b'], and was ['a', 'b'] in the test"
    )
    value = {"row_id": "7", "predicted": 2e6}
    assert not find_difference([{"prediction": 2e6 + 1}], [value], spec_of(task="regression")), "relative to 2e6"
    assert find_difference([{"prediction": 2e6 + 3}], [value], spec_of(task="regression"))
    several = spec_of(task="regression", targets=["u", "v"])
    recorded = [{"row_id": "7", "predicted u": 1.0, "predicted v": 2.0}]
    assert find_difference([{"u": 1.0, "v": 2.1}], recorded, several) == "7: v is 2.1, and was 2.0 in the test"


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_fresh_process_answers_without_headrace_and_is_measured(
    registered: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "run_check", run_check)
    metrics = verify_served_model(model_dir(registered), registered, read_bundle(registered.trained_dir))
    assert metrics["served_rows"] == 150
    assert 0 < metrics["served_latency_p95_ms"] < 1e5
    assert 30 < metrics["served_peak_memory_mb"] < 5000


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_model_whose_code_needs_headrace_does_not_pass(registered: Paths, tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir(registered), tmp_path / "model")
    (package,) = (folder / "code").glob("headrace_table_*")
    encode = package / "encode.py"
    encode.write_text(encode.read_text() + "\nimport headrace.errors\n")
    (folder / "artifacts" / "checksums.json").unlink()
    write_checksums(
        folder / "artifacts", map(str, (folder / "artifacts").iterdir()), package, folder / "served_model.py"
    )
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / ROWS)
    (tmp_path / "model.txt").write_text(str(folder))
    run_check(tmp_path, tmp_path / "log")
    answered = json.loads((tmp_path / ANSWERS).read_text())
    assert "headrace" in answered["error"]
    assert "ModuleNotFoundError" in answered["error"] or "import of headrace" in answered["error"]


@pytest.mark.slow
@pytest.mark.parametrize("project", TABLE, indirect=True, ids="-".join)
def test_model_that_answers_otherwise_is_not_registered(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def change_label(folder: Path, log_path: Path) -> None:
        check_in_process(folder, log_path)
        answered = json.loads((folder / ANSWERS).read_text())
        answered["answers"][3]["label"] = "medium"
        (folder / ANSWERS).write_text(json.dumps(answered))

    with pytest.raises(GateError, match=r"label is medium, and was (high|low) in the test; nothing was registered"):
        register_project(project, check=change_label)
    assert not project.registered_path.exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert connect(project).search_model_versions("name = 'worth'") == []
