"""Rows and settings that cannot be split: the error is one line, and the previous result stays."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError, DataError
from headrace.stages import split
from tests.data.splitting.conftest import row_id, write_project

NUM_ROWS = 60
IDS = [row_id(number) for number in range(NUM_ROWS)]
DATES = [f"2024-{1 + number % 12:02d}-{1 + number % 28:02d}" for number in range(NUM_ROWS)]


def run_split(root: Path, config: dict[str, object], columns: dict[str, object] | None = None, **options) -> str:
    """Returns the error of the stage, which must leave `data/split` of an earlier run unchanged."""
    paths = write_project(root, {"row_id": IDS, "label": ["a", "b"] * 30, **(columns or {})}, **options)
    paths.split_dir.mkdir()
    (paths.split_dir / "left").touch()
    with pytest.raises((ConfigError, DataError)) as error:
        split.run(validate_section(split.Config, config, "split"), paths)
    assert [path.name for path in paths.split_dir.parent.iterdir() if path != paths.clean_dir] == ["split"]
    assert [path.name for path in paths.split_dir.iterdir()] == ["left"]
    line = str(error.value)
    assert "\n" not in line
    assert ": " in line
    assert ";" in line  # the remedy
    return line


@pytest.mark.parametrize(
    ("config", "columns", "message"),
    [
        ({"group": "patinet"}, {"patient": IDS}, "split.group: 'patinet' is not a column of the rows; choose one of"),
        ({"group": "patinet"}, {"patient": IDS}, "did you mean 'patient'?"),
        ({"time": "when2"}, {"when": DATES}, "split.time: 'when2' is not a column of the rows"),
        ({"group": "row_id"}, {}, "split.group: 'row_id' is not a column"),
        ({"time": "when"}, {"when": [*DATES[:-2], None, " "]}, "column 'when' has 2 rows without a time"),
        ({"time": "when"}, {"when": [*DATES[:-1], "31/12/2024"]}, "'when' has '31/12/2024', which is not an ISO"),
        ({"time": "when"}, {"when": [*DATES[:-1], "1735603200"]}, "'when' has '1735603200', which is not an ISO"),
        ({"time": "when"}, {"when": [*DATES[:-1], "2024-12-31T00:00Z"]}, "with and without a time zone"),
        ({"time": "when"}, {"when": ["x" * 5000] * NUM_ROWS}, "column 'when' has 'xxx"),
        ({"time": "when"}, {"when": [1.0] * NUM_ROWS}, "1 different times"),
        ({"time": "when", "group": "who"}, {"when": DATES, "who": ["p", "q"] * 30}, "2 different times (groups:"),
        ({"time": "when", "counts": [1, 2, 3]}, {"when": DATES}, "[1, 2, 3] does not add up to the 60 available"),
        ({"counts": [50, 5, 6]}, {}, "split.counts: [50, 5, 6] does not add up to the 60 available rows"),
        ({"counts": [None, 30, 30]}, {}, "split.counts: [null, 30, 30] does not add up to the 60 available rows"),
        ({"group": "who"}, {"who": ["p", "q"] * 30}, "60 rows in 2 groups leave none for"),
        ({"group": "who", "counts": [58, 1, 1]}, {"who": ["p", "q"] * 30}, "60 rows in 2 groups leave none for"),
        ({"fractions": [0.999998, 0.000001, 0.000001], "strategy": "random", "exact_below": 0}, {},
         "60 rows leave none for 'val'"),
        ({"strategy": "official"}, {}, "split.strategy: 'official', but no clean row is in an official 'train' split"),
        ({"strategy": "official"}, {"split": ["val", "test"] * 30}, "no clean row is in an official 'train' split"),
        ({"counts": [None, 5, 9]}, {"split": ["train", "test"] * 30}, "9 rows for 'test', but the official one has 30"),
        ({"num_folds": 100}, {}, "split.num_folds: fold "),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_the_rows(tmp_path, config, columns, message):
    assert message in run_split(tmp_path, config, columns)


def test_error_is_short_for_a_long_cell(tmp_path):
    assert len(run_split(tmp_path, {"time": "when"}, {"when": ["x" * 5000] * NUM_ROWS})) < 250


def test_near_duplicates_that_join_all_groups(tmp_path):
    line = run_split(
        tmp_path, {"group": "who"}, {"who": [f"p{n % 20}" for n in range(NUM_ROWS)]}, near_duplicates=[IDS]
    )
    assert "60 rows in 1 groups leave none for" in line


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"strategy": "group"}, "split: strategy is 'group', but group names no column; add split.group"),
        ({"strategy": "time", "group": "x"}, "split: strategy is 'time', but time names no column; add split.time"),
        ({"strategy": "grouped"}, "split.strategy: got 'grouped'; choose one of"),
        ({"group": ""}, "split.group: got ''"),
        ({"fractions": [0.5, 0.5]}, "split.fractions: got [0.5, 0.5]; must be three numbers above 0 that sum to 1"),
        ({"fractions": [0.7, 0.2, 0.2]}, "split.fractions: got [0.7, 0.2, 0.2]; must be three numbers above 0"),
        ({"fractions": [0.7, float("nan"), 0.3]}, "split.fractions.1: got nan"),
        ({"counts": [1, 2]}, "split.counts: got [1, 2]; must be three numbers of rows"),
        ({"counts": [None, None, 5]}, "split.counts: got [None, None, 5]; must be three numbers of rows"),
        ({"counts": [0, 1, 2]}, "split.counts.0: got 0; must be greater than 0"),
        ({"counts": [1.5, 1, 2]}, "split.counts.0: got 1.5"),
        ({"num_folds": 1}, "split.num_folds: got 1; must be greater than or equal to 2"),
        ({"num_folds": 200}, "split.num_folds: got 200; must be less than or equal to 100"),
        ({"official_leaks": "remove"}, "split.official_leaks: got 'remove'; choose one of ['drop', 'keep']"),
        ({"seed": 10**80}, "split.seed: got 1"),
        ({"exact_below": -1}, "split.exact_below: got -1; must be greater than or equal to 0"),
    ],
)
def test_invalid_settings(config, message):
    with pytest.raises(ConfigError) as error:
        validate_section(split.Config, config, "split")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert ";" in str(error.value)


def run_on_groups_file(root: Path, content: bytes | pa.Table) -> str:
    """Returns the error of the stage for a file of near-duplicates."""
    paths = write_project(root, {"row_id": IDS})
    path = paths.clean_dir / "groups.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    with pytest.raises(DataError) as error:
        split.run(split.Config(), paths)
    assert not paths.split_dir.exists()
    line = str(error.value)
    assert "\n" not in line
    assert line.endswith("; run: dvc repro --force clean")
    return line


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"row_id,group\n1,2\n",
        b"PAR1" + bytes(64) + b"PAR1",
        pa.table({"row_id": IDS}),
        pa.table({"row_id": IDS, "cluster": IDS}),
        pa.table({"row_id": ["\u00e9"], "group": ["a"]}),
        pa.table({"row_id": [["a"]], "group": ["a"]}),
    ],
)
def test_damaged_file_of_near_duplicates(tmp_path, content):
    assert "groups.parquet: not a valid Parquet file of near-duplicates (" in run_on_groups_file(tmp_path, content)


def test_truncated_file_of_near_duplicates(tmp_path):
    pq.write_table(pa.table({"row_id": IDS, "group": IDS}), tmp_path / "complete.parquet")
    complete = (tmp_path / "complete.parquet").read_bytes()
    assert "groups.parquet" in run_on_groups_file(tmp_path / "project", complete[: len(complete) // 2])


def test_clean_rows_without_a_spec(tmp_path):
    paths = write_project(tmp_path, {"row_id": IDS})
    (paths.clean_dir / "spec.json").unlink()
    with pytest.raises(DataError, match="spec.json: no such file; run the stages before this one: dvc repro"):
        split.run(split.Config(), paths)


def test_damaged_clean_rows(tmp_path):
    paths = write_project(tmp_path, {"row_id": IDS})
    (paths.clean_dir / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"part-00000.parquet: not readable as Parquet \(.*\); run: dvc repro --force"):
        split.run(split.Config(), paths)
