import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.inference import infer_table
from headrace.errors import ConfigError, DataError

FLAGS, NUMBERS, WORDS = ["0", "1"] * 20, [str(n / 7) for n in range(40)], [f"w {n}" for n in range(40)]
LISTS = ['["a"]', '["a", "b"]'] * 20
ALMOST = ["2", *FLAGS[1:]]
TABLE = {
    "x": NUMBERS,
    "f": FLAGS,
    "g": FLAGS[::-1],
    "n": NUMBERS[::-1],
    "w": WORDS,
    "l": LISTS,
    "e": [None] * 40,
    "m": ALMOST,
}


def inferred(**options):
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in TABLE.items()})
    return infer_table(table, ReadOptions(**options))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("x", "grp"), "'grp', by its values and its place among the columns"),
        (("label", "x"), "'label', by its name"),
    ],
)
def test_what_shows_the_target_is_reported(names, reason):
    cells = dict(zip(names, (NUMBERS, FLAGS) if names[0] == "x" else (FLAGS, NUMBERS), strict=True))
    table = infer_table(
        pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()}), ReadOptions()
    )
    assert any(assumed.text == f"the target is {reason}" for assumed in table.assumptions)


@pytest.mark.parametrize(
    ("options", "task"),
    [
        ({"target": ["f", "g"]}, "multilabel"),
        ({"target": ["f", "g"], "task": "regression"}, "regression"),
        ({"target": ["f", "m"], "task": "multilabel"}, "multilabel"),
        ({"target": ["x", "n"]}, "regression"),
        ({"target": ["f", "n"]}, "regression"),
        ({"target": ["n"]}, "regression"),
        ({"target": "l"}, "multilabel"),
        ({"target": "l", "task": "classification"}, "classification"),
        ({"target": "w", "label_separator": " "}, "multilabel"),
    ],
)
def test_infer_task_excludes_targets_from_columns(options, task):
    table = inferred(**options)
    assert (table.task, table.targets) == (task, ReadOptions(**options).targets)
    assert not {column.name for column in table.columns} & set(table.targets)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": ["f", "z"]}, r"ingest\.target: no column 'z'"),
        ({"target": ["n", "w"]}, r"ingest\.target: several targets must be numbers, or 0 and 1; column 'w' contains"),
        (
            {"target": ["f", "n"], "task": "multilabel"},
            r"ingest\.task: 'multilabel' with several columns requires 0 and 1;",
        ),
        (
            {"target": ["f", "g"], "task": "classification"},
            r"'classification' has one class per row, but ingest\.target",
        ),
        (
            {"target": ["f", "g"], "label_separator": "|"},
            r"ingest\.label_separator: '\|' applies to a single target, but",
        ),
        (
            {"target": "w", "task": "multilabel"},
            r"'multilabel' requires lists, but column 'w' contains 'w 0'; set ingest",
        ),
        (
            {"target": "w", "label_separator": "|", "task": "regression"},
            r"ingest\.task is 'regression'; set multilabel",
        ),
        (
            {"target": ["f", "m"]},
            r"task: auto, but .* columns of 0 and 1, of which 'm' also contains '2'; set multilabel",
        ),
        ({"target": list(TABLE)}, "ingest.target: column 'e' has no value"),
        (
            {"target": ["x", "f", "g", "n"], "columns": dict.fromkeys(["w", "l", "e", "m"], "ignore")},
            "leave at least one as input",
        ),
    ],
)
def test_contradictory_settings_raise_one_line(options, message):
    with pytest.raises((ConfigError, DataError), match=message) as error:
        inferred(**options)
    assert "\n" not in str(error.value)
