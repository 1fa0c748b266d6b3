import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from headrace.commands.inspection.status import read_metrics
from headrace.commands.run_stage import BEFORE_TRAINING, check_code, format_summary, import_stage, run_stage
from headrace.config import Section
from headrace.contracts import Metrics
from headrace.errors import ConfigError, DataError, GateError, TrackingError
from headrace.fingerprint.stage_code import hash_stages, open_cache
from headrace.paths import Paths
from headrace.settings import load
from headrace.stages import STAGES
from headrace.storage.atomic import write_json
from headrace.storage.lock import exclusive_lock


class Config(Section):
    size: int = 3


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project whose stages only return their setting; `replace_run` changes one of them."""
    for name in STAGES:
        module = SimpleNamespace(run=lambda config, *_: {"size": config.size})
        monkeypatch.setitem(sys.modules, f"headrace.stages.{name}", module)
        monkeypatch.setitem(load.SECTIONS, name, Config)
    (tmp_path / "params.yaml").write_text("clean: {size: 7}\n")
    return Paths(tmp_path)


def replace_run(name: str, metrics: dict[str, Any] | BaseException) -> list[Any]:
    """Makes a stage return or raise `metrics`; returns the list of its calls."""
    calls: list[Any] = []

    def run(config: Config, paths: Paths) -> Metrics:
        calls.append((config, paths))
        if isinstance(metrics, BaseException):
            raise metrics
        return metrics

    import_stage(name).run = run  # type: ignore[assignment]
    return calls


def test_run_stage_passes_its_section_and_writes_its_metrics(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    calls = replace_run("clean", {"rows": 1234, "share": 0.12345678, "right": np.int64(3), "half": np.float64(2.0)})
    run_stage("clean", paths)
    assert calls == [(Config(size=7), paths)]
    text = paths.metrics_path("clean").read_text()
    assert json.loads(text) == {"rows": 1234, "share": 0.12345678, "right": 3, "half": 2.0}
    assert '"half": 2.0' in text
    assert read_metrics(paths, "clean") == json.loads(text)
    out, err = capsys.readouterr()
    assert out.startswith("clean     rows 1,234, share 0.1235, right 3, half 2  (")
    assert err == ""


def test_run_stage_writes_the_few_metrics_that_dvc_shows(paths: Paths) -> None:
    for name, metrics in SUMMARIZED.items():
        replace_run(name, metrics)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("headrace.commands.run_stage.record", lambda *_: None)
            run_stage(name, paths)
    shown = YAML(typ="safe").load(Path(__file__).parents[2] / "dvc.yaml")["metrics"]
    assert [paths.root / name for name in shown] == [paths.summary_path(stage) for stage in SUMMARIZED]
    summaries = {stage: json.loads(paths.summary_path(stage).read_text()) for stage in SUMMARIZED}
    assert summaries == {
        "validate": {"val/accuracy": 0.75, "val/loss": 0.5},
        "quantize": {"served/bytes": 900},
        "test": {"test/accuracy": 0.5, "test/over_baseline": -0.25},
    }
    run_stage("clean", paths)
    assert not paths.summary_path("clean").exists()


SUMMARIZED: dict[str, Any] = {
    "validate": {"num_rows": 9, "accuracy": 0.75, "accuracy_low": 0.5, "loss": np.float64(0.5)},
    "quantize": {"passed": 0, "fp32_bytes": 900, "int8_bytes": 400, "fp32_latency_ms": 0.125},
    "test": {"over_baseline": -0.25, "accuracy": 0.5, "baseline_best": 0.75},
}


def test_run_stage_checks_every_section_first(paths: Paths) -> None:
    calls = replace_run("clean", {})
    paths.params_path.write_text("clean: {size: 7}\nexplain: {sise: 1}\n")
    with pytest.raises(ConfigError, match=r"^params\.yaml: explain\.sise: unknown key; .*did you mean 'size'\?\)$"):
        run_stage("clean", paths)
    assert calls == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_run_stage_refuses_a_metric_that_is_not_finite(paths: Paths, value: float) -> None:
    run_stage("clean", paths)
    replace_run("clean", {"rows": 1, "share": value})
    with pytest.raises(DataError, match=r"^metrics/clean\.json: share is -?(nan|inf); check this stage's input"):
        run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"size": 7}  # unchanged
    assert [path.name for path in paths.metrics_path("clean").parent.iterdir()] == ["clean.json"]


def test_run_stage_that_fails_keeps_metrics_and_releases_its_lock(paths: Paths) -> None:
    run_stage("clean", paths)
    replace_run("clean", GateError("not good enough"))
    with pytest.raises(GateError):
        run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"size": 7}
    replace_run("clean", {"rows": 2})
    run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"rows": 2}


def test_run_stage_that_is_already_running_is_refused(paths: Paths) -> None:
    calls = replace_run("clean", {})
    with (
        exclusive_lock(paths.state_dir / "locks" / "clean.lock", "stage clean"),
        pytest.raises(DataError, match=r"clean\.lock: stage clean is already running here \(process \d+\); wait for"),
    ):
        run_stage("clean", paths)
    assert calls == []


@pytest.mark.parametrize("name", ["ingest", "train", "test", "register"])
def test_run_stage_records_what_belongs_to_a_training(paths: Paths, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from headrace.tracking import recorder

    recorded: list[tuple[str, ...]] = []
    monkeypatch.setattr(recorder, "record_stages", lambda _, stages: recorded.append(stages))
    run_stage(name, paths)
    assert read_metrics(paths, name) == {"size": 3}
    assert recorded == {"ingest": [], "train": [BEFORE_TRAINING]}.get(name, [(name,)])


def test_run_stage_checks_the_tracking_location_first(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = replace_run("train", {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://host")
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: 'ftp://host': MLflow cannot record to 'ftp'; use "):
        run_stage("train", paths)
    assert calls == []


def test_summary_is_the_first_six() -> None:
    assert format_summary({f"m{n}": n for n in range(9)}) == "m0 0, m1 1, m2 2, m3 3, m4 4, m5 5"


@pytest.mark.parametrize("name", STAGES)
def test_stage_module_has_a_section_and_runs(name: str) -> None:
    module = import_stage(name)
    assert module.Config is load.SECTIONS[name]
    assert callable(module.run)


def test_stage_warns_in_one_line_if_code_json_is_not_that_of_its_code(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    run_stage("clean", paths)
    assert not caplog.records, "a project made before there was a code.json"
    write_json(paths.code_path, hash_stages(["clean"], open_cache(paths)))
    run_stage("clean", paths)
    assert not caplog.records
    run_stage("split", paths)
    (record,) = caplog.records
    assert record.getMessage().startswith("code.json: not that of the installed code of split")
    assert record.getMessage().endswith("run: headrace upgrade")


def test_train_writes_the_fingerprint_of_the_users_model_and_others_do_not(paths: Paths) -> None:
    write_json(paths.model_code_path, {})
    paths.params_path.write_text("train: {size: 1}\ntune: {size: 2}\n")
    (paths.root / "my_nets.py").write_text("width = 1\n")
    params = {"train": {"size": 1}, "tune": {"size": 2}}
    check_code("train", paths)
    assert json.loads(paths.model_code_path.read_bytes()) == {}
    paths.params_path.write_text(json.dumps(params | {"train": {"model": {"name": "my_nets:Two"}}}))
    check_code("validate", paths)
    assert json.loads(paths.model_code_path.read_bytes()) == {}
    check_code("train", paths)
    assert list(json.loads(paths.model_code_path.read_bytes())) == ["my_nets"]


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("data/normalized/train/targets.npy", "normalize"),
        ("data/normalized/transform.json", "normalize"),
        ("models/trained/model.onnx", "train"),
        ("models/trained/weights.safetensors", "train"),
    ],
)
def test_run_stage_refuses_an_input_with_a_changed_byte(trained: Paths, name: str, writer: str) -> None:
    """By the stages' own checksums: at a random place, such a byte changes results without a word."""
    trained.params_path.write_text("validate: {baselines: {seconds: 0}}\n")
    path = trained.root / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"^{path}: damaged .*; run: dvc repro --force {writer}$"):
        run_stage("validate", trained)
    assert not trained.metrics_path("validate").exists()
