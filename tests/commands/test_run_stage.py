import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headrace.commands import run_stage as stage
from headrace.commands.run_stage import format_summary, import_stage, read_metrics, run_stage
from headrace.config import Section
from headrace.contracts import Metrics
from headrace.errors import ConfigError, DataError, GateError, TrackingError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.lock import exclusive


class Config(Section):
    size: int = 3


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project whose stages do nothing; `does` replaces what one of them does."""
    modules = {name: SimpleNamespace(Config=Config, run=lambda config, _: {"size": config.size}) for name in STAGES}
    monkeypatch.setattr(stage, "import_stage", modules.__getitem__)
    (tmp_path / "params.yaml").write_text("clean: {size: 7}\n")
    return Paths(tmp_path)


def does(name: str, metrics: dict[str, Any] | BaseException) -> list[Any]:
    seen: list[Any] = []

    def run(config: Config, paths: Paths) -> Metrics:
        seen.append((config, paths))
        if isinstance(metrics, BaseException):
            raise metrics
        return metrics

    stage.import_stage(name).run = run  # type: ignore[assignment]
    return seen


def test_run_stage_hands_over_its_section_and_writes_its_metrics(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = does("clean", {"rows": 1234, "share": 0.12345678, "right": np.int64(3), "half": np.float64(2.0)})
    run_stage("clean", paths)
    assert seen == [(Config(size=7), paths)]
    text = paths.metrics_path("clean").read_text()
    assert json.loads(text) == {"rows": 1234, "share": 0.12345678, "right": 3, "half": 2.0}
    assert '"half": 2.0' in text
    assert read_metrics(paths, "clean") == json.loads(text)
    told = capsys.readouterr()
    assert told.out.startswith("clean     rows 1,234, share 0.1235, right 3, half 2  (")
    assert told.err == ""


def test_run_stage_checks_every_section_first(paths: Paths) -> None:
    seen = does("clean", {})
    paths.params_path.write_text("clean: {size: 7}\nexplain: {sise: 1}\n")
    with pytest.raises(ConfigError, match=r"^params\.yaml: explain\.sise: unknown key; .*did you mean 'size'\?\)$"):
        run_stage("clean", paths)
    assert seen == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_run_stage_refuses_a_figure_that_is_no_number(paths: Paths, value: float) -> None:
    run_stage("clean", paths)
    does("clean", {"rows": 1, "share": value})
    with pytest.raises(DataError, match=r"^metrics/clean\.json: share is -?(nan|inf); look at this stage's input"):
        run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"size": 7}  # whole, as it was
    assert [path.name for path in paths.metrics_path("clean").parent.iterdir()] == ["clean.json"]


def test_run_stage_that_fails_leaves_metrics_and_lets_go_of_its_lock(paths: Paths) -> None:
    run_stage("clean", paths)
    does("clean", GateError("not good enough"))
    with pytest.raises(GateError):
        run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"size": 7}
    does("clean", {"rows": 2})
    run_stage("clean", paths)
    assert read_metrics(paths, "clean") == {"rows": 2}


def test_run_stage_that_runs_already_is_refused(paths: Paths) -> None:
    seen = does("clean", {})
    with (
        exclusive(paths.state_dir / "locks" / "clean.lock", "stage clean"),
        pytest.raises(DataError, match=r"clean\.lock: stage clean is already running here \(process \d+\); wait for"),
    ):
        run_stage("clean", paths)
    assert seen == []


@pytest.mark.parametrize("name", ["train", "test", "register"])
def test_run_stage_whose_server_is_away_only_warns(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    from headrace.tracking import runs

    asked: list[tuple[str, ...]] = []

    def complete(_: Paths, stages: tuple[str, ...]) -> None:
        asked.append(stages)
        raise TrackingError("no server")

    monkeypatch.setattr(runs, "sync_run_from_files", complete)
    run_stage(name, paths)
    assert read_metrics(paths, name) == {"size": 3}
    assert [record.getMessage() for record in caplog.records] == [f"no server; metrics/{name}.json is told later"]
    assert asked == [(*stage.BEFORE_TRAINING, *(() if name == "train" else (name,)))]


def test_read_metrics_of_a_stage_that_has_not_run_is_empty(paths: Paths) -> None:
    assert read_metrics(paths, "clean") == {}


def test_read_metrics_of_a_damaged_file_is_one_line(paths: Paths) -> None:
    run_stage("clean", paths)
    paths.metrics_path("clean").write_text("<<<<<<< HEAD\n")
    with pytest.raises(DataError, match=r"clean\.json: not JSON \(.*\); run: dvc repro --force clean$"):
        read_metrics(paths, "clean")


def test_summary_is_the_first_six() -> None:
    assert format_summary({f"m{n}": n for n in range(9)}) == "m0 0, m1 1, m2 2, m3 3, m4 4, m5 5"


@pytest.mark.parametrize("name", STAGES)
def test_stage_module_has_a_section_and_runs(name: str) -> None:
    module = import_stage(name)
    assert issubclass(module.Config, Section)
    assert callable(module.run)
