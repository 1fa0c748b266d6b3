"""The benchmarks' results, page and data preparation; no benchmark runs here."""

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCH_DIR = ROOT / "benchmarks"
MACHINE = {"cores": 2, "processor": "a processor", "memory_gb": 24, "system": "Linux"}


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benchmarks/ by its name, as the programs there do."""
    monkeypatch.syspath_prepend(str(BENCH_DIR))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:  # other tests must not import these top-level names
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCH_DIR)):
            del sys.modules[name]


def make_run(date: str, machine: dict = MACHINE) -> dict:
    return {"date": date, "commit": "abc1234", "load": 0.1, "machine": machine, "versions": {"torch": "2.13.0"}}


def make_keras_row(rows, value: float):
    return rows.Row(
        "keras-000",
        "images/s relative to Keras",
        value,
        "x",
        target=1.5,
        stretch_target=2.0,
        runs={"headrace": [7_000.0, 6_500.0, 7_100.0], "Keras": [3_500.0, 3_400.0, 3_600.0]},
        runs_unit="images/s",
        accuracies={"headrace": [0.991], "Keras": [0.9868]},
        notes="seeds differ",
    )


def test_median_ratio_divides_the_medians(bench):
    assert bench("rows").median_ratio({"headrace": [1.0, 9.0, 6.0], "other": [4.0, 2.0, 3.0]}) == 6 / 3


@pytest.mark.parametrize(
    ("value", "lower_is_better", "holds", "is_met"),
    [(1.5, False, True, True), (1.49, False, True, False), (0.2, True, True, True), (0.2, True, False, False)],
)
def test_row_is_met_if_target_and_conditions_hold(bench, value, lower_is_better, holds, is_met):
    row = bench("rows").Row(
        "a", "a", value, target=1.5, lower_is_better=lower_is_better, conditions={"a condition": holds}
    )
    assert row.is_met is is_met


def test_row_without_target_is_neither_met_nor_missed_and_a_failed_row_is_missed(bench):
    rows = bench("rows")
    assert rows.Row("a", "a", 1.0).is_met is None
    assert rows.failed_row("a", "no disk").is_met is False


def test_row_survives_json(bench):
    rows = bench("rows")
    row = make_keras_row(rows, 2.0)
    assert rows.row_from_json(json.loads(json.dumps(row.to_json()))) == row


def test_merged_results_replace_all_rows_of_a_benchmark(bench):
    rows, report = bench("rows"), bench("report")
    first = report.merge_results(
        report.empty_results(),
        {
            "keras-000": [make_keras_row(rows, 2.0)],
            "data": [rows.Row("data: a", "a", 1.0), rows.Row("data: b", "b", 2.0)],
        },
        run=make_run("2030-01-01"),
    )
    second = report.merge_results(
        json.loads(json.dumps(first)),
        {"data": [rows.Row("data: b", "b", 3.0)]},
        run=make_run("2030-01-02"),
    )
    assert {name: (row["value"], row["run"]) for name, row in second["rows"].items()} == {
        "keras-000": (2.0, "2030-01-01"),
        "data: b": (3.0, "2030-01-02"),
    }
    assert list(second["runs"]) == ["2030-01-01", "2030-01-02"]
    new_rows = {"keras-000": [make_keras_row(rows, 2.0)]}
    third = report.merge_results(second, new_rows, run=make_run("2030-01-03"))
    assert list(third["runs"]) == ["2030-01-02", "2030-01-03"], "a run without rows must be dropped"


def test_page_names_the_machine_of_each_run(bench):
    rows, report = bench("rows"), bench("report")
    first = report.merge_results(report.empty_results(), {"a": [rows.Row("a", "a", 1.0)]}, run=make_run("2030-01-01"))
    other = make_run("2030-01-02", MACHINE | {"cores": 64})
    second = report.merge_results(first, {"b": [rows.Row("b", "b", 1.0)]}, run=other)
    page = report.format_markdown(second, ["a", "b"], is_quick=False)
    assert "| 2030-01-01 | abc1234 | 0.1 | 2 cores, a processor, 24 GB; Linux | torch 2.13.0 |" in page
    assert "| 2030-01-02 | abc1234 | 0.1 | 64 cores, a processor, 24 GB; Linux | torch 2.13.0 |" in page
    assert report.compare_results(second, first)[0] == "not all on the same machine: only ratios are comparable"


def test_results_of_an_older_version_are_an_error(bench, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"runs": {}, "rows": {"keras-000": {"figure": 2.0}}}))
    with pytest.raises(ValueError, match="written by an older version of the benchmarks"):
        bench("report").read_results(path)


def test_page_matches_the_stored_results(bench):
    report = bench("report")
    page = report.format_markdown(
        report.read_results(BENCH_DIR / "results.json"), bench("run").BENCHMARKS, is_quick=False
    )
    assert (ROOT / "docs" / "benchmarks.md").read_text() == page


def test_page_shows_value_target_runs_and_notes(bench):
    rows, report = bench("rows"), bench("report")
    new_rows = {"keras-000": [make_keras_row(rows, 1.25)], "feeding": [rows.failed_row("feeding", "no disk")]}
    results = report.merge_results(report.empty_results(), new_rows, run=make_run("2030-01-01"))
    page = report.format_markdown(results, ["keras-000", "keras-001", "feeding"], is_quick=False)
    assert "| images/s relative to Keras | 1.25 x | >= 1.5 x (stretch 2) | **MISSED** |" in page
    assert "- headrace: median 7,000 images/s (of 7,000, 6,500, 7,100)" in page
    assert "- test accuracy, Keras: 98.68%" in page
    assert "seeds differ" in page
    assert "Failed: no disk" in page
    assert "Not measured yet: `keras-001`." in page
    assert "a processor" in page
    assert "abc1234" in page
    assert "quick run" not in page
    assert "quick run" in report.format_markdown(results, [], is_quick=True)


def test_terminal_line_shows_value_target_and_runs(bench):
    row = make_keras_row(bench("rows"), 1.25)
    assert bench("report").format_row(row) == (
        "keras-000: 1.25 x, target >= 1.5 x (stretch 2), MISSED"
        "; headrace 7,000, 6,500, 7,100 images/s; Keras 3,500, 3,400, 3,600 images/s"
    )


def test_results_are_compared_by_row(bench):
    rows, report = bench("rows"), bench("report")
    earlier, results = (
        report.merge_results(report.empty_results(), new_rows, run=make_run(date))
        for date, new_rows in (
            ("2030-01-01", {"keras-000": [make_keras_row(rows, 2.0)], "gone": [rows.Row("gone", "gone", 1.0)]}),
            ("2030-01-02", {"keras-000": [make_keras_row(rows, 1.4)], "new": [rows.Row("new", "new", 1.0)]}),
        )
    )
    assert report.compare_results(results, results) == [], "rows of the same run are not compared"
    assert report.compare_results(results, earlier) == [
        "keras-000: 2 -> 1.4 x, -30.0%, WAS MET BEFORE",
        "new: not in the earlier results",
    ]


def test_group_with_an_error_keeps_the_rows_before_it(bench, capsys):
    rows, run = bench("rows"), bench("run")

    def measure(names, size):
        yield rows.Row("a", "a", 1.0)
        yield rows.Row("a: detail", "a detail", 1.0)
        raise RuntimeError(f"{names[1]} cannot be measured, {size}")

    measured = run.measure_group(["a", "b"], measure, "quick")
    assert [row.name for row in measured["a"]] == ["a", "a: detail"]
    assert [row.failure for row in measured["b"]] == ["b cannot be measured, quick"]
    assert "RuntimeError" in capsys.readouterr().err


def test_parts_that_need_real_datasets_are_skipped_without_them(bench, capsys, monkeypatch):
    data = bench("data")
    monkeypatch.delenv("HEADRACE_BENCH_DATA", raising=False)
    row = data.make_row("planted: a", 1.0, "", 1)
    monkeypatch.setitem(data.PARTS, "planted", lambda: iter([row]))
    assert list(data.measure(["data"], "full")) == [row]
    assert "HEADRACE_BENCH_DATA is not set" in capsys.readouterr().out


def test_growth_row_compares_with_the_best_rate_of_fewer_rows(bench):
    row = bench("data").make_growth_row({1: 50.0, 2: 100.0, 4: 80.0, 8: 90.0, 10: 70.0})
    assert row.value == pytest.approx(0.1)
    assert row.benchmark == "data"
    assert row.is_met


def test_planted_errors_are_written_as_returned(bench, tmp_path):
    planted = bench("planted_errors")
    errors = planted.write_digits_with_errors(tmp_path)
    paths = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert (len(errors.broken), len(errors.exact), len(errors.near), len(errors.flipped)) == (20, 50, 50, 100)
    assert len(paths) == planted.NUM_ROWS + 20 + 50 + 50
    assert errors.broken | errors.flipped | {*errors.exact, *errors.near} <= paths
    assert all(
        (tmp_path / copy).read_bytes() == (tmp_path / original).read_bytes() for copy, original in errors.exact.items()
    )
    assert all(
        (tmp_path / copy).read_bytes() != (tmp_path / original).read_bytes() for copy, original in errors.near.items()
    )


def test_recipes_of_the_benchmarks_exist(bench):
    papers = bench("keras_papers")
    for recipe in [*papers.SYSTEMS.values(), *papers.FAST]:
        assert (ROOT / "recipes" / f"{recipe}.yaml").is_file()


def test_requirements_are_pinned(bench):
    assert bench("machine").pinned_versions("keras", "keras", "tensorflow_cpu").keys() == {"keras", "tensorflow_cpu"}
    for path in BENCH_DIR.glob("requirements-*.txt"):
        assert all("==" in line for line in path.read_text().splitlines()), path.name


def test_small_mnist_has_valid_idx_files(bench, tmp_path):
    small_datasets = bench("small_datasets")
    (tmp_path / "full").mkdir()
    for split in ("train", "t10k"):
        images = (2051).to_bytes(4, "big") + b"".join(size.to_bytes(4, "big") for size in (3_000, 28, 28))
        labels = (2049).to_bytes(4, "big") + (3_000).to_bytes(4, "big")
        for kind, content in (("images-idx3", images + bytes(3_000 * 784)), ("labels-idx1", labels + bytes(3_000))):
            (tmp_path / "full" / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    small_datasets.write_small_mnist(tmp_path / "full", tmp_path / "small")
    images = gzip.decompress((tmp_path / "small" / "train-images-idx3-ubyte.gz").read_bytes())
    assert int.from_bytes(images[4:8], "big") == small_datasets.NUM_TRAIN
    assert len(images) == 16 + small_datasets.NUM_TRAIN * 784


def test_unknown_benchmark_is_one_line_of_usage_error():
    command = [sys.executable, BENCH_DIR / "run.py", "kears-000"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 2
    assert "'kears-000' is not a benchmark; choose from hand-000, " in process.stderr


def test_gpu_benchmark_without_a_gpu_is_refused_in_one_line():
    command = [sys.executable, str(BENCH_DIR / "gpu.py")]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "no GPU" in done.stderr


def test_ranks_share_an_epoch_and_the_exchange_limits_the_speed(bench):
    scaling = bench("scaling")
    found = scaling.simulate(scaling.BATCH_SIZE + 5)  # most ranks have no row in the last batch
    assert (found.times_seen, found.first_rows) == ((1, 1), (32, 32))
    network, link = scaling.Network("a network", 1_000_000, 1e-4), scaling.Link("a link", 1e9, 1e-3)
    assert scaling.model_step(network, link, 1, 100) == (pytest.approx(0.01), 0.0)
    assert scaling.model_step(network, link, 4, 100) == (pytest.approx(0.0025), pytest.approx(0.006 + 0.006))
    assert scaling.list_speedups(network, link, 100)[1] == "| 2 | 5.00 | 6.00 | 0.9 | 1.7 |"
