import json
from pathlib import Path
from typing import Any

import pytest

from headrace.commands.inspection.status import make_rows, point_to_report, read_metrics, show_status
from headrace.contracts import Spec
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json, write_text
from headrace.tracking.outbox import open_outbox

QUANTIZE = {
    "passed": 1, "fp32_accuracy": 0.99, "fp32_bytes": 500_000, "fp32_latency_ms": 0.1234,
    "int8_accuracy": 0.985, "int8_bytes": 130_000, "int8_latency_ms": 0.1,
}  # fmt: skip
NO_INT8 = "float32 is served: models/quantized/choice.json says why"
FIGURES: dict[str, dict[str, Any]] = {
    "ingest": {"rows": 5000},
    "clean": {"quarantined": 12},
    "split": {"train": 3500, "val": 750, "test": 738},
    "test": {"accuracy": 0.98, "accuracy_low": 0.97, "accuracy_high": 0.989, "fp32_accuracy": 0.981},
    "quantize": QUANTIZE,
}
REGISTERED = {"name": "digits", "version": 3, "precision": "int8", "aliases": ["challenger", "champion"]}


def rows(paths: Paths, **changed: Any) -> list[tuple[str, str]]:
    return make_rows({stage: {} for stage in STAGES} | FIGURES | changed, paths)


def test_status_of_a_new_project_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_status(Paths(tmp_path))
    assert capsys.readouterr().out.split() == ["nothing", "yet", "dvc", "repro", "runs", "the", "pipeline"]


def test_status_of_a_finished_project_shows_all_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = Paths(tmp_path)
    for stage, metrics in FIGURES.items():
        write_json(paths.metrics_path(stage), metrics)
    write_json(paths.registered_path, REGISTERED)
    show_status(paths)
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("rows 5,000 in, 12 quarantined", "accuracy 98.00% on test rows", "digits version 3, int8 (challenger"):
        assert part in shown


def test_rows_of_each_stage(tmp_path: Path) -> None:
    assert rows(Paths(tmp_path)) == [
        ("rows", "5,000 in, 12 quarantined"),
        ("split", "3,500 train, 750 validation, 738 test"),
        ("accuracy", "98.00% on test rows (95 % interval 97.00% to 98.90%)"),
        ("", "98.10% with the float32 graph, on the same rows"),
        ("fp32", "99.00% on validation rows, 500 kB, 0.123 ms a row"),
        ("int8", "98.50% on validation rows, 130 kB, 0.100 ms a row"),
    ]


def test_rows_speak_of_images_only_where_the_data_are(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for modality, unit in (("image", "an image"), ("table", "a row"), ("text", "a row")):
        spec = Spec(modality=modality, task="classification", source="x", format="csv", num_rows=9)
        write_text(paths.clean_dir / "spec.json", spec.to_json())
        assert rows(paths)[-1][1].endswith(f"0.100 ms {unit}"), "also before normalize, or without its arrays"


def test_rows_of_a_version_on_a_server_have_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(tmp_path)
    write_json(paths.registered_path, REGISTERED)
    assert dict(rows(paths))["inspect it"].startswith("headrace ui ")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.example:5000/")
    assert dict(rows(paths))["inspect it"] == "http://mlflow.example:5000/#/models/digits/versions/3"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://registry.example")
    assert dict(rows(paths))["inspect it"] == "http://registry.example/#/models/digits/versions/3"


def test_status_as_json_has_metrics_version_and_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = Paths(tmp_path)
    show_status(paths, as_json=True)
    nothing = json.loads(capsys.readouterr().out)
    assert (nothing["stages"], nothing["registered"]) == ({}, None)
    for stage, metrics in FIGURES.items():
        write_json(paths.metrics_path(stage), metrics)
    write_json(paths.registered_path, REGISTERED)
    show_status(paths, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["stages"], shown["registered"]) == (FIGURES, REGISTERED)
    assert shown["lines"][0] == "rows 5,000 in, 12 quarantined"


def test_rows_say_what_the_contract_did_and_whether_it_was_edited(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    clean = {"quarantined": 3, "quarantined_contract_drop": 2, "quarantined_duplicate": 1, "warned_contract_warn": 4}
    assert not [row for row in rows(paths, clean=clean) if row[0] == "contract"]
    for path in (paths.contract_path, paths.held_contract_path):
        write_text(path, "columns: {}\n")
    assert ("contract", "contract.yaml: 2 rows quarantined, 4 rows warned") in rows(paths, clean=clean)
    assert ("contract", "contract.yaml: no row breaks it") in rows(paths)
    paths.contract_path.unlink()
    assert ("contract", "contract.yaml: no row breaks it; it was edited since: dvc repro") in rows(paths)


def test_rows_name_the_graphs_that_others_dominate(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    table = [{"name": "weights", "dominated_by": None}, {"name": "fp32", "dominated_by": "weights"}]
    write_json(paths.quantized_dir / "choice.json", {"pareto": table})
    assert rows(paths)[-1] == ("dominated", "fp32 by weights, in size, time and quality")
    table[1]["dominated_by"] = None
    write_json(paths.quantized_dir / "choice.json", {"pareto": table})
    assert rows(paths)[-1][0] == "int8"


@pytest.mark.parametrize("passed", [0, None])
def test_rows_of_a_quantization_without_a_passing_candidate(tmp_path: Path, passed: int | None) -> None:
    fp32 = {key: value for key, value in QUANTIZE.items() if key.startswith("fp32")}
    quantize = fp32 if passed is None else fp32 | {"passed": passed}
    assert rows(Paths(tmp_path), quantize=quantize)[-1] == ("int8", NO_INT8)


RULE = {
    "rule": "validate.gate.slices.sex.min", "metric": "accuracy", "slice": {"column": "sex", "value": "female"},
    "limit": 0.8, "value": 0.75, "low": 0.6, "high": 0.86, "rows": 40, "verdict": "failed",
}  # fmt: skip


def test_rows_of_a_gate_show_what_did_not_pass(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    passed = {**RULE, "rule": "validate.gate.accuracy.min", "slice": None, "verdict": "passed"}
    write_json(paths.report_dir("validate") / "gates.json", {"passed": False, "rules": [passed, RULE]})
    assert rows(paths)[2:4] == [
        ("gate", "1 failed, 1 passed"),
        ("", "failed: slices.sex.min 0.8, accuracy of sex=female 0.75 (0.6 to 0.86), 40 rows"),
    ]
    write_json(paths.report_dir("quantize") / "gates.json", {"passed": True, "rules": [passed]})
    assert rows(paths)[2] == ("gate", "1 passed"), "that of the graph that is served"
    write_json(paths.report_dir("quantize") / "gates.json", {"passed": True, "rules": []})
    assert "gate" not in dict(rows(paths))


def test_rows_of_a_champion_say_why_and_who(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    sentence = "not champion: worse than digits version 2 (loss 0.0500)"
    write_json(paths.registered_path, REGISTERED | {"champion": {"verdict": "worse", "sentence": sentence}})
    assert ("", sentence) in rows(paths)
    act = {"time": "2026-11-29T22:00:00+00:00", "act": "promoted", "name": "digits", "user": "ann@here",
           "version": 3, "before": 2, "reason": "new rows", "overruled": []}  # fmt: skip
    write_text(tmp_path / ".headrace" / "champions.jsonl", json.dumps(act) + "\n")
    assert dict(rows(paths))["champion"] == "version 3, promoted by ann@here at 2026-11-29T22:00:00+00:00: new rows"
    write_text(tmp_path / ".headrace" / "champions.jsonl", json.dumps(act | {"name": "letters"}) + "\n")
    assert "champion" not in dict(rows(paths))


def test_status_of_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_json(paths.metrics_path("clean"), {})
    paths.metrics_path("clean").write_text("{")
    with pytest.raises(DataError, match=r"clean\.json: not JSON"):
        show_status(paths)


def test_rows_of_the_best_baseline(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    entries = [{"short_name": "prior", "value": 0.4}, {"short_name": "linear", "name": "ridge", "value": 0.91234}]
    report = {"metric": "r2", "best": "linear", "baselines": entries, "sentence": "the network is better"}
    path = paths.report_dir("test") / "baselines.json"
    write_json(path, report)
    shown = [("baseline", "R2 0.9123 with ridge, on the same rows"), ("", "the network is better")]
    assert rows(paths)[4:6] == shown
    write_json(path, report | {"metric": "accuracy"})
    assert rows(paths)[4] == ("baseline", "91.23% with ridge, on the same rows")
    write_json(path, report | {"best": "", "baselines": []})
    assert "baseline" not in dict(rows(paths))
    path.write_text("[")
    with pytest.raises(DataError, match=r"test/baselines\.json: not JSON .*dvc repro --force test"):
        rows(paths)


def test_rows_of_a_regression(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    spec = Spec(modality="table", task="regression", source="x", format="csv", num_rows=9)
    write_text(paths.normalized_dir / "spec.json", spec.to_json())
    quantize = {"passed": 0, "fp32_r2": 0.91239, "fp32_bytes": 50_000, "fp32_latency_ms": 0.01}
    test = {"rmse": 1234.56, "rmse_low": 1200.0, "rmse_high": 1290.4, "r2": 0.9, "mae": 1000.0}
    assert rows(paths, test=test, quantize=quantize)[-3:] == [
        ("error", "1235 (root mean square) on test rows (95 % interval 1200 to 1290), R2 0.9000"),
        ("fp32", "R2 0.9124 on validation rows, 50 kB, 0.010 ms a row"),
        ("int8", NO_INT8),
    ]


def test_rows_of_multilabel_data(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    spec = Spec(modality="text", task="multilabel", source="x", format="csv", num_rows=9, classes=["a", "b"])
    write_text(paths.normalized_dir / "spec.json", spec.to_json())
    quantize = {"passed": 0, "fp32_micro_f1": 0.91239, "fp32_bytes": 50_000, "fp32_latency_ms": 0.01}
    test = {"micro_f1": 0.9, "accuracy": 0.95, "accuracy_low": 0.9, "accuracy_high": 0.97, "exact_match": 0.8}
    details = "95.00% of all labels are right, 80.00% of the rows entirely"
    ends = {"micro_f1_low": 0.88, "micro_f1_high": 0.92}
    interval = "95 % interval 0.8800 to 0.9200"
    assert rows(paths, test=test | ends, quantize=quantize)[-3] == (
        "micro F1",
        f"0.9000 on test rows ({interval}; {details})",
    )
    assert rows(paths, test=test, quantize=quantize)[-3:] == [
        ("micro F1", f"0.9000 on test rows ({details})"),
        ("fp32", "micro F1 0.9124 on validation rows, 50 kB, 0.010 ms a row"),
        ("int8", NO_INT8),
    ]


def test_read_metrics_of_a_stage_that_has_not_run_is_empty(tmp_path: Path) -> None:
    assert read_metrics(Paths(tmp_path), "clean") == {}


def test_read_metrics_of_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = Paths(tmp_path).metrics_path("clean")
    path.parent.mkdir()
    path.write_text("<<<<<<< HEAD\n")
    with pytest.raises(DataError, match=r"clean\.json: not JSON \(.*\); run: dvc repro --force clean$"):
        read_metrics(Paths(tmp_path), "clean")


def test_rows_of_a_registered_model_whose_files_are_gone(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    folder = "mlartifacts/models/m-1/artifacts"
    write_json(paths.registered_path, REGISTERED | {"files": folder})
    lost = ("", "its files are gone, so it cannot predict; register it again: dvc repro --force --single-item register")
    assert lost not in rows(paths), "the registry is on another machine"
    (tmp_path / "mlflow.db").touch()
    assert lost in rows(paths)
    write_text(tmp_path / folder / "MLmodel", "model")
    assert lost not in rows(paths)


def test_rows_say_what_mlflow_lacks(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for _ in range(2):
        open_outbox(paths).append({"kind": "stage"})
    assert rows(paths)[-1] == ("not in MLflow yet", "2 events; headrace sync sends them")


def test_status_points_to_the_report_once_all_stages_have_run() -> None:
    none = {stage: {} for stage in STAGES}
    assert point_to_report(none) == []
    ((_, hint),) = point_to_report(none | {"ingest": {"rows": 9}})
    assert hint.startswith("headrace report ")
    ((_, place),) = point_to_report({stage: {"rows": 9} for stage in STAGES})
    assert place.startswith("reports/index.html ")


def test_rows_warn_of_linked_folders_that_dvc_does_not_watch(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for folder in ("photos", "cat"):
        (tmp_path / folder).mkdir()
    (tmp_path / "photos" / "cat").symlink_to("../cat")
    write_text(paths.raw_dir / "spec.json", '{"source": "photos", "modality": "image"}')
    write_text(tmp_path / "dvc.yaml", "stages: {ingest: {deps: [photos]}}")
    name, text = rows(paths)[-1]
    assert name == "source"
    assert text.startswith("photos/cat is a link to a folder, behind which DVC sees no changes; add")
    write_text(tmp_path / "dvc.yaml", "stages: {ingest: {deps: [photos, photos/cat]}}")
    assert rows(paths)[-1][0] != "source"
