"""The benchmarks' table: what is kept of each run, what is written, what is compared; no program is run here."""

import gzip
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MACHINE = {"cores": 2, "processor": "a processor", "memory_gb": 24, "system": "Linux"}


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benchmarks/, as its programs do."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:  # their names are short: nothing else shall find them
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


def run_of(date: str) -> dict:
    return {"date": date, "commit": "abc1234", "load": 0.1, "versions": {"torch": "2.13.0"}}


def speed(rows, figure: float, name: str = "keras-000"):
    return rows.Row(
        name,
        "images/s against Keras",
        figure,
        "x",
        bar=1.5,
        aim=2.0,
        runs={"headrace": [7_000.0, 6_500.0, 7_100.0], "Keras": [3_500.0, 3_400.0, 3_600.0]},
        runs_unit="images/s",
        accuracies={"headrace": [0.991], "Keras": [0.9868]},
        unequal="seeds differ",
    )


def test_every_row_of_the_benchmarks_has_an_entry(bench):
    expected = {
        "throughput against a loop by hand": ["hand-000", "hand-001", "hand-003"],
        "throughput against Keras": ["keras-000", "keras-001", "keras-003"],
        "fast recipes": ["mnist-fast", "cifar10-fast"],
        "feeding": ["feeding", "feeding-augmented"],
        "Ray": ["ray-share", "two-workers"],
        "memory, the left half, Ludwig": ["memory", "data", "ludwig"],
    }
    assert [name for names in expected.values() for name in names] == bench("run").ORDER


def test_ratio_is_of_the_medians(bench):
    assert bench("rows").ratio({"ours": [1.0, 9.0, 6.0], "theirs": [4.0, 2.0, 3.0]}) == 6 / 3


@pytest.mark.parametrize(
    ("figure", "is_upper", "holds", "is_met"),
    [(1.5, False, True, True), (1.49, False, True, False), (0.2, True, True, True), (0.2, True, False, False)],
)
def test_row_is_met_by_figure_and_conditions(bench, figure, is_upper, holds, is_met):
    row = bench("rows").Row("a", "a", figure, bar=1.5, is_upper=is_upper, conditions={"it holds": holds})
    assert row.is_met is is_met


def test_row_without_a_bar_is_neither_met_nor_missed_and_one_that_failed_is_missed(bench):
    rows = bench("rows")
    assert rows.Row("a", "a", 1.0).is_met is None
    assert rows.failed("a", "no disk").is_met is False


def test_results_are_kept_by_row_through_json(bench):
    rows, table = bench("rows"), bench("table")
    first = table.merge(
        table.empty(),
        {"keras-000": [speed(rows, 2.0)], "data": [rows.Row("data: a", "a", 1.0), rows.Row("data: b", "b", 2.0)]},
        machine=MACHINE,
        run=run_of("2030-01-01"),
    )
    first = json.loads(json.dumps(first))
    second = table.merge(first, {"data": [rows.Row("data: b", "b", 3.0)]}, machine=MACHINE, run=run_of("2030-01-02"))
    assert {name: row["figure"] for name, row in second["rows"].items()} == {"keras-000": 2.0, "data: b": 3.0}
    assert {name: row["run"] for name, row in second["rows"].items()} == {
        "keras-000": "2030-01-01",
        "data: b": "2030-01-02",
    }
    assert list(second["runs"]) == ["2030-01-01", "2030-01-02"]
    third = table.merge(second, {"keras-000": [speed(rows, 2.0)]}, machine=MACHINE, run=run_of("2030-01-03"))
    assert list(third["runs"]) == ["2030-01-02", "2030-01-03"], "a run that no row is of any more"


def test_rows_of_another_machine_are_dropped(bench):
    rows, table = bench("rows"), bench("table")
    first = table.merge(table.empty(), {"a": [rows.Row("a", "a", 1.0)]}, machine=MACHINE, run=run_of("2030-01-01"))
    other = MACHINE | {"cores": 64}
    second = table.merge(first, {"b": [rows.Row("b", "b", 1.0)]}, machine=other, run=run_of("2030-01-02"))
    assert list(second["rows"]) == ["b"]
    assert list(second["runs"]) == ["2030-01-02"]


def test_page_tells_figure_bar_values_and_what_was_unequal(bench):
    rows, table = bench("rows"), bench("table")
    made = {"keras-000": [speed(rows, 1.25)], "feeding": [rows.failed("feeding", "no disk")]}
    results = table.merge(table.empty(), made, machine=MACHINE, run=run_of("2030-01-01"))
    page = table.markdown(results, ["keras-000", "keras-001", "feeding"], is_quick=False)
    assert "| images/s against Keras | 1.25 x | >= 1.5 x (aim 2) | **MISSED** |" in page
    assert "- headrace: median 7,000 images/s (of 7,000, 6,500, 7,100)" in page
    assert "- test accuracy, Keras: 98.68%" in page
    assert "seeds differ" in page
    assert "Failed: no disk" in page
    assert "Not measured yet: `keras-001`." in page
    assert "a processor" in page
    assert "abc1234" in page
    assert "quick run" not in page
    assert "quick run" in table.markdown(results, [], is_quick=True)


def test_earlier_results_are_compared_row_by_row(bench):
    rows, table = bench("rows"), bench("table")
    earlier, now = (
        table.merge(table.empty(), made, machine=MACHINE, run=run_of(date))
        for date, made in (
            ("2030-01-01", {"keras-000": [speed(rows, 2.0)], "gone": [rows.Row("gone", "gone", 1.0)]}),
            ("2030-01-02", {"keras-000": [speed(rows, 1.4)], "new": [rows.Row("new", "new", 1.0)]}),
        )
    )
    assert table.compare(now, now) == [], "only what was measured anew is compared"
    assert table.compare(now, earlier) == [
        "keras-000: 2 -> 1.4 x, -30.0%, WAS MET BEFORE",
        "new: not in the earlier run",
    ]
    other = earlier | {"machine": MACHINE | {"cores": 64}}
    assert table.compare(now, other)[0] == "another machine: only ratios can be compared"


def test_a_group_that_fails_keeps_its_rows_so_far(bench, capsys):
    rows, run = bench("rows"), bench("run")

    def measure(names, size):
        yield rows.Row("a", "a", 1.0)
        yield rows.Row("a: of it", "a of it", 1.0)
        raise RuntimeError(f"{names[1]} cannot be measured, {size}")

    made = run.measured(["a", "b"], measure, "quick")
    assert [row.name for row in made["a"]] == ["a", "a: of it"]
    assert [row.failure for row in made["b"]] == ["b cannot be measured, quick"]
    assert "RuntimeError" in capsys.readouterr().err


def test_rows_of_the_left_half_are_taken_over(bench):
    values = {"what": "clean", "figure": 1.2, "unit": "x", "bar": 1.3, "is_upper": True, "note": "1 -> 2 MB"}
    row = bench("left_half").row_of_data(values | {"is_met": True})
    assert (row.name, row.is_met, row.unequal) == ("data: clean", True, "1 -> 2 MB")


def test_recipes_that_rows_name_are_there(bench):
    papers = bench("papers")
    for recipe in [*papers.SYSTEMS.values(), *papers.FAST]:
        assert (ROOT / "recipes" / f"{recipe}.yaml").is_file()


def test_requirements_are_pinned(bench):
    assert bench("machine").pinned("keras", "keras", "tensorflow_cpu").keys() == {"keras", "tensorflow_cpu"}
    for path in (ROOT / "benchmarks").glob("requirements-*.txt"):
        assert all("==" in line for line in path.read_text().splitlines()), path.name


def test_idx_files_are_cut_to_valid_ones(bench, tmp_path):
    cut = bench("cut")
    (tmp_path / "whole").mkdir()
    for split in ("train", "t10k"):
        images = (2051).to_bytes(4, "big") + b"".join(size.to_bytes(4, "big") for size in (3_000, 28, 28))
        labels = (2049).to_bytes(4, "big") + (3_000).to_bytes(4, "big")
        for kind, content in (("images-idx3", images + bytes(3_000 * 784)), ("labels-idx1", labels + bytes(3_000))):
            (tmp_path / "whole" / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    cut._mnist(tmp_path / "whole", tmp_path / "cut")
    images = gzip.decompress((tmp_path / "cut" / "train-images-idx3-ubyte.gz").read_bytes())
    assert int.from_bytes(images[4:8], "big") == cut.NUM_TRAIN
    assert len(images) == 16 + cut.NUM_TRAIN * 784


def test_unknown_row_is_refused_in_one_line():
    command = [sys.executable, ROOT / "benchmarks" / "run.py", "kears-000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no row is called 'kears-000'" in done.stderr
