import pyarrow as pa
import pytest

from headrace.contracts import Column
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.inference import infer_table
from headrace.errors import ConfigError, DataError

WORDS = [f"a sentence of {number} words or so" for number in range(60)]
HALVES = ["0", "1"] * 30
NUMBERS = [str(number / 7) for number in range(60)]
MANY = [str(number) for number in range(60)]
NAMES = [f"name {number}" for number in range(60)]


def inferred(columns, /, **options):
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
    return infer_table(table, ReadOptions(**options))


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"a": NUMBERS, "Survived": HALVES, "c": HALVES}, "Survived"),
        ({"review": WORDS, "stars": HALVES}, "stars"),
        ({"stars": HALVES, "review": WORDS}, "stars"),
        ({"file": [f"{number}.png" for number in range(60)], "kind": NUMBERS}, "kind"),
        ({"a": NUMBERS, "b": MANY, "kind": HALVES}, "kind"),
        ({"a": HALVES, "IsChurn": HALVES, "b": HALVES}, "IsChurn"),
        ({"id": MANY, "sale_price": NUMBERS, "rooms": MANY}, "sale_price"),
        ({"price": NUMBERS, "a": HALVES, "b": HALVES, "Rating": HALVES}, "Rating"),  # of several the last column
        ({"rating": WORDS, "Exited": HALVES, "b": HALVES}, "Exited"),  # a text is no target
        ({"column_0": MANY, "column_1": HALVES, "column_2": HALVES}, "column_2"),  # names of a file without a header
    ],
)
def test_infer_target(columns, target):
    assert inferred(columns).target == target


@pytest.mark.parametrize(
    "columns",
    [
        {"label": HALVES, "class": HALVES, "a": NUMBERS},
        {"a": HALVES, "b": HALVES},
        {"a": HALVES, "b": MANY},
        {"price": NUMBERS, "rating": HALVES, "b": HALVES},
        {"a": NUMBERS, "b": NUMBERS[::-1]},
        {"column_0": HALVES, "column_1": NUMBERS, "column_2": HALVES},  # the first is as likely
    ],
)
def test_ambiguous_target_raises(columns):
    with pytest.raises(ConfigError, match=r"params.yaml: ingest.target: null, but .*; choose one of \['") as error:
        inferred(columns)
    assert all(repr(name) in str(error.value) for name in columns)


def test_target_of_a_name_that_inputs_have_too_is_a_warning():
    assumed = [
        next(a for a in inferred({"a": HALVES, name: HALVES, "b": HALVES}).assumptions if a.subject == "target")
        for name in ("exited", "Target")
    ]
    assert [assumption.is_warning for assumption in assumed] == [True, False]


def test_ambiguous_target_error_lists_the_first_and_the_last_columns():
    with pytest.raises(ConfigError, match=r"'c14', \.\.\., 'c94', 'c95', 'c96', 'c97', 'c98'\]$"):
        inferred({f"c{index}": NUMBERS for index in range(99)})
    with pytest.raises(ConfigError, match=r"'c18', 'c19'\]$"):
        inferred({f"c{index}": NUMBERS for index in range(20)})


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (HALVES, "classification"),
        (["a", "b"] * 30, "classification"),
        (NUMBERS, "regression"),
        (MANY, "regression"),
        (["0.5", "1.5"] * 30, "classification"),
        (["1.5", "2.5", "3.1"], "regression"),
        ([str(number % 100) for number in range(4000)], "classification"),  # a hundred numbered classes
        ([str(number % 100 * 5000) for number in range(4000)], "regression"),
        ([str(number % 10) for number in range(20)], "classification"),
    ],
)
def test_infer_task(labels, task):
    features = [str(number) for number in range(len(labels))]
    assert inferred({"a": features, "y": labels}).task == task


def test_task_setting_overrides_inference():
    assert inferred({"a": NUMBERS, "y": MANY}, task="classification").task == "classification"
    assert inferred({"a": NUMBERS, "y": HALVES}, task="regression").task == "regression"
    with pytest.raises(ConfigError, match=r"ingest.task: 'regression' requires a numeric target; column 'y' contains"):
        inferred({"a": NUMBERS, "y": ["x", "z"] * 30}, task="regression")
    assert inferred({"a": NUMBERS, "y": MANY}, columns={"y": "categorical"}).task == "classification"


def test_target_without_values_raises():
    with pytest.raises(DataError, match=r"ingest.target: column 'y' has no value in the first 60 rows"):
        inferred({"a": NUMBERS, "y": [None] * 60})


@pytest.mark.parametrize(
    ("columns", "options", "modality", "kinds"),
    [
        ({"a": WORDS, "y": HALVES}, {}, "text", {"a": "text"}),
        ({"a": WORDS, "b": NUMBERS, "y": HALVES}, {}, "table", {"a": "text", "b": "numeric"}),
        ({"a": WORDS, "b": NUMBERS, "y": HALVES}, {"columns": {"b": "ignore"}}, "text", {"a": "text"}),
        ({"a": WORDS, "b": HALVES, "y": HALVES}, {"split_column": "b"}, "text", {"a": "text"}),
        ({"a": NAMES, "y": HALVES}, {}, "text", {"a": "text"}),  # nothing else to learn from
        ({"a": NAMES, "y": HALVES}, {"columns": {"a": "categorical"}}, "table", {"a": "categorical"}),
        ({"a": NAMES, "b": WORDS, "y": HALVES}, {}, "table", {"a": "text", "b": "text"}),  # title and body
        ({"a": NAMES, "b": NUMBERS, "y": HALVES}, {}, "table", {"a": "categorical", "b": "numeric"}),
        (
            {"a": NAMES, "b": WORDS, "y": HALVES},
            {"columns": {"a": "categorical"}},
            "table",
            {"a": "categorical", "b": "text"},
        ),
        ({"a": ["x.png"] * 60, "b": NUMBERS, "y": HALVES}, {}, "image", {"a": "image", "b": "numeric"}),
        ({"a": NUMBERS, "y": HALVES}, {"columns": {"a": "categorical"}}, "table", {"a": "categorical"}),
    ],
)
def test_infer_modality_and_columns(columns, options, modality, kinds):
    table = inferred(columns, **options)
    assert table.modality == modality
    assert table.columns == [Column(name=name, kind=kind) for name, kind in kinds.items()]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"target": "z"}, r"ingest.target: no column 'z'; choose one of \['a', 'b', 'y'\]"),
        ({"columns": {"aa": "numeric"}}, r"ingest.columns.aa: no such column; choose one of .*\(did you mean 'a'\?\)"),
        ({"split_column": "z"}, r"ingest.split_column: no column 'z'; choose one of"),
        ({"target": "y", "columns": {"y": "ignore"}}, r"ingest.columns.y: 'ignore', but it is ingest.target"),
        ({"target": "y", "split_column": "y"}, r"ingest.split_column: 'y' is also ingest.target"),
        ({"columns": {"a": "image", "b": "image"}}, r"ingest.columns: \['a', 'b'\] all name images, but a row can"),
        (
            {"columns": {"a": "ignore", "b": "ignore"}},
            r"has 1 usable columns \('y'\); an input and a target are needed",
        ),
    ],
)
def test_settings_that_contradict_the_table_raise(options, line):
    with pytest.raises(ConfigError, match="^params.yaml: .*" + line):
        inferred({"a": NUMBERS, "b": MANY, "y": HALVES}, **options)
