import json
import pickle
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from headrace.contracts import Column, Spec
from headrace.data.table import row_sample
from headrace.data.table.encoding.transform import TableTransform
from headrace.errors import DataError

OPTIONS = {"scaling": "standard", "max_categories": 64, "min_category_rows": 2, "num_quantiles": 32}
TYPES = {"numeric": pa.float64(), "date": pa.timestamp("us"), "categorical": pa.string(), "text": pa.string()}
RNG = np.random.default_rng(0)
DAY = datetime(2020, 6, 1)  # noqa: DTZ001 - tables name no zone


class Batches:
    """Clean rows in batches, on the engine of this process."""

    def __init__(self, table: pa.Table, size: int = 64) -> None:
        self.batches = table.to_batches(max_chunksize=size)

    def map(self, work):
        return map(pickle.loads(pickle.dumps(work)), self.batches)


def spec_of(num_rows: int = 0, **kinds: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Spec(modality="table", task="classification", source="x", format="table", num_rows=num_rows, columns=columns)


def table_of(spec: Spec, columns: dict) -> pa.Table:
    ids = [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(len(next(iter(columns.values()))))]
    kinds = {column.name: column.kind for column in spec.columns}
    arrays = {name: pa.array(cells, TYPES[kinds[name]]) for name, cells in columns.items()}
    return pa.table({"row_id": pa.array(ids, pa.string()), **arrays})


def fitted(spec: Spec, columns: dict, **options: object) -> dict:
    transform = TableTransform().fit(Batches(table_of(spec, columns)), spec, OPTIONS | options)
    return json.loads(json.dumps(transform, allow_nan=False))


def stored(spec: Spec, columns: dict, transform: dict) -> np.ndarray:
    return TableTransform().apply(table_of(spec, columns).combine_chunks().to_batches()[0], transform)


def preprocessed(inputs: np.ndarray, transform: dict) -> np.ndarray:
    """What a network's first layer makes of numbers, in float64: the meaning of `inputs` in transform.json."""
    features = []
    for values, entry in zip(inputs.astype(np.float64).T, transform["inputs"], strict=True):
        filled = np.where(np.isnan(values), entry["fill"], values)
        if entry["quantiles"]:
            features.append(np.interp(filled, entry["quantiles"], np.linspace(0, 1, len(entry["quantiles"]))) - 0.5)
        else:
            features.append((filled - entry["center"]) / entry["scale"])
    return np.stack(features, axis=1)


NUMBERS = RNG.lognormal(3, 1, 400)
ONE_NUMBER = spec_of(n="numeric")


@pytest.mark.parametrize(
    ("scaling", "theirs", "shift"),
    [
        ("standard", StandardScaler(), 0.0),
        ("robust", RobustScaler(), 0.0),
        ("quantile", QuantileTransformer(n_quantiles=32, subsample=None), 0.5),
    ],
)
def test_scaling_is_that_of_sklearn(scaling: str, theirs, shift: float) -> None:
    transform = fitted(ONE_NUMBER, {"n": NUMBERS}, scaling=scaling)
    new = RNG.lognormal(3, 1.5, 300)
    theirs.fit(NUMBERS[:, None])
    made = preprocessed(stored(ONE_NUMBER, {"n": new}, transform), transform)
    np.testing.assert_allclose(made[:, 0] + shift, theirs.transform(new[:, None])[:, 0], atol=2e-5)


def test_scaling_none_keeps_values() -> None:
    transform = fitted(ONE_NUMBER, {"n": NUMBERS}, scaling="none")
    made = preprocessed(stored(ONE_NUMBER, {"n": NUMBERS}, transform), transform)
    np.testing.assert_allclose(made[:, 0], NUMBERS, rtol=1e-6)


def test_missing_numbers_are_told_and_filled_with_the_median() -> None:
    transform = fitted(ONE_NUMBER, {"n": [1.0, None, 5.0, 30.0]})
    (entry,) = transform["inputs"]
    assert (entry["fill"], entry["has_missing"]) == (5.0, True)
    assert np.isnan(stored(ONE_NUMBER, {"n": [None]}, transform)[0, 0])
    assert not fitted(ONE_NUMBER, {"n": [1.0, 2.0]})["inputs"][0]["has_missing"]


def test_categories_by_how_frequent_they_are() -> None:
    spec = spec_of(c="categorical")
    cells = ["rare", *["b"] * 3, *["a"] * 3, *["z"] * 9, None, None]
    transform = fitted(spec, {"c": cells})
    assert transform["columns"] == [{"name": "c", "kind": "categorical", "values": ["z", "a", "b"]}]
    assert transform["inputs"] == [{"name": "c", "column": "c", "kind": "categorical", "num_values": 5}]
    new = ["z", "a", "b", "rare", "never seen", None, ""]
    assert stored(spec, {"c": new}, transform)[:, 0].tolist() == [2, 3, 4, 0, 0, 1, 0]
    few = fitted(spec, {"c": cells}, max_categories=1)
    assert few["columns"][0]["values"] == ["z"]
    all_of_them = fitted(spec, {"c": cells}, min_category_rows=1)
    assert all_of_them["columns"][0]["values"] == ["z", "a", "b", "rare"]


def test_categories_that_are_all_rare_still_tell_what_is_missing() -> None:
    spec = spec_of(c="categorical")
    transform = fitted(spec, {"c": ["x", "y", None]})
    assert stored(spec, {"c": ["x", "new", None]}, transform)[:, 0].tolist() == [0, 0, 1]


def test_dates_become_days_and_circles() -> None:
    spec = spec_of(d="date")
    days = [DAY + timedelta(days=shift) for shift in range(-10, 11)]
    transform = fitted(spec, {"d": [*days, None]})
    names = ["d.days", "d.year_sin", "d.year_cos", "d.week_sin", "d.week_cos"]
    assert [entry["name"] for entry in transform["inputs"]] == names
    assert {entry["column"] for entry in transform["inputs"]} == {"d"}
    assert [entry["has_missing"] for entry in transform["inputs"]] == [True, False, False, False, False]
    made = stored(spec, {"d": [DAY, DAY + timedelta(days=7, hours=12), datetime(2021, 1, 1), None]}, transform)  # noqa: DTZ001
    assert made[:2, 0].tolist() == [0, 7.5]
    np.testing.assert_allclose(made[2, 1:3], [0, 1], atol=1e-7)
    np.testing.assert_allclose(made[0, 3:], [0, 1], atol=1e-7)  # 1 June 2020 was a Monday
    np.testing.assert_allclose(np.hypot(made[:3, 1], made[:3, 2]), 1, atol=1e-6)
    assert np.isnan(made[3]).all()


def test_dates_time_of_day_where_it_varies() -> None:
    spec = spec_of(d="date")
    names = [entry["name"] for entry in fitted(spec, {"d": [DAY, DAY + timedelta(hours=6)]})["inputs"]]
    assert names[-2:] == ["d.day_sin", "d.day_cos"]
    always_noon = [DAY + timedelta(days=day, hours=12) for day in range(9)]
    assert len(fitted(spec, {"d": always_noon})["inputs"]) == 5


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile", "none"])
def test_constant_numbers_do_not_divide_by_zero(scaling: str) -> None:
    transform = fitted(ONE_NUMBER, {"n": [7.0] * 5}, scaling=scaling)
    assert transform["inputs"][0]["scale"] == 1
    assert transform["inputs"][0]["quantiles"] is None
    assert np.isfinite(preprocessed(stored(ONE_NUMBER, {"n": [7.0, 8.0]}, transform), transform)).all()


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize(("shift", "factor"), [(1.7e9, 1.0), (1e15, 100.0), (0.0, 1e-30), (0.0, 1e30), (3.0, 1e-12)])
def test_numbers_that_float32_cannot_tell_apart_are_moved(scaling: str, shift: float, factor: float) -> None:
    base = np.random.default_rng(0).normal(size=300)
    values = base * factor + shift
    moved = values - shift  # exact, unlike the mean of the values themselves
    plain = (moved - moved.mean()) / moved.std() if scaling == "standard" else base
    transform = fitted(ONE_NUMBER, {"n": values}, scaling=scaling)
    made = preprocessed(stored(ONE_NUMBER, {"n": values}, transform), transform)[:, 0]
    assert np.isfinite(made).all()
    if scaling == "standard":
        np.testing.assert_allclose(made, plain, atol=1e-3)  # a mean as near as float64 has one here
    else:
        assert np.corrcoef(np.argsort(np.argsort(made)), np.argsort(np.argsort(plain)))[0, 1] > 0.999


def test_numbers_beyond_float32_stay_finite() -> None:
    transform = fitted(ONE_NUMBER, {"n": [1.0, 2.0, 1e300]})
    assert np.isfinite(stored(ONE_NUMBER, {"n": [-1e308, 1e308]}, transform)).all()


CELLS = st.tuples(
    st.one_of(st.none(), st.floats(-1e30, 1e30)),
    st.sampled_from(["a", "b", "c", None]),
    st.one_of(st.none(), st.datetimes()),
)


@settings(max_examples=30)
@given(
    st.lists(CELLS, min_size=4, max_size=20), st.randoms(), st.integers(1, 9), st.sampled_from(["standard", "quantile"])
)
def test_fit_does_not_depend_on_order_or_batches(rows: list, random, size: int, scaling: str) -> None:
    spec = spec_of(n="numeric", c="categorical", d="date")
    numbers, words, moments = zip(*rows, strict=True)
    table = table_of(spec, {"n": [1.0, *numbers], "c": ["a", *words], "d": [DAY, *moments]})
    whole = TableTransform().fit(Batches(table), spec, OPTIONS | {"scaling": scaling})
    order = list(range(table.num_rows))
    random.shuffle(order)
    other = TableTransform().fit(Batches(table.take(order), size), spec, OPTIONS | {"scaling": scaling})
    assert json.dumps(other) == json.dumps(whole)


def test_fit_of_many_rows_takes_medians_of_the_same_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "MAX_ROWS", 1000)
    values = RNG.normal(10, 1, 12_000)
    spec = spec_of(12_000, n="numeric")
    table = table_of(spec, {"n": values})
    whole = TableTransform().fit(Batches(table, 500), spec, OPTIONS)
    turned = pa.concat_tables([table.slice(7000), table.slice(0, 7000)])
    assert TableTransform().fit(Batches(turned), spec, OPTIONS) == whole
    assert whole["inputs"][0]["center"] == pytest.approx(values.mean(), rel=1e-14)  # of all rows
    assert whole["inputs"][0]["fill"] == pytest.approx(np.median(values), abs=0.1)
    # the sample is the same whatever share of all rows the train rows are
    assert TableTransform().fit(Batches(table), spec.model_copy(update={"num_rows": 15_000}), OPTIONS) == whole


def test_apply_does_not_depend_on_the_batch() -> None:
    spec = spec_of(n="numeric", c="categorical")
    columns = {"n": [1.0, None, 3.0, 9.0], "c": ["a", "b", None, "a"]}
    transform = fitted(spec, columns)
    whole = stored(spec, columns, transform)
    alone = [stored(spec, {"n": [n], "c": [c]}, transform)[0] for n, c in zip(*columns.values(), strict=True)]
    np.testing.assert_array_equal(np.stack(alone), whole)
    assert whole.dtype == np.float32
    assert whole.shape == (4, *transform["input_shape"])


def test_apply_no_rows_keeps_the_width() -> None:
    spec = spec_of(n="numeric", c="categorical", d="date")
    transform = fitted(spec, {"n": [1.0, 2.0], "c": ["a", "a"], "d": [DAY, DAY]})
    batch = pa.RecordBatch.from_pylist([], table_of(spec, {"n": [1.0], "c": ["a"], "d": [DAY]}).schema)
    assert TableTransform().apply(batch, transform).shape == (0, 7)


def test_fit_a_single_row() -> None:
    spec = spec_of(n="numeric", c="categorical")
    transform = fitted(spec, {"n": [3.0], "c": ["a"]})
    assert transform["input_shape"] == [1]
    assert transform["left_out"] == [
        {"name": "c", "reason": "no value is in 2 train rows (normalize.table.min_category_rows)"}
    ]
    assert preprocessed(stored(spec, {"n": [3.0], "c": ["a"]}, transform), transform).tolist() == [[0]]


def test_fit_leaves_out_what_says_nothing() -> None:
    spec = spec_of(n="numeric", empty="numeric", none="categorical", never="date", t="text")
    transform = fitted(
        spec, {"n": [1.0, 2.0], "empty": [None] * 2, "none": [None] * 2, "never": [None] * 2, "t": ["x"] * 2}
    )
    assert transform["input_shape"] == [1]
    assert transform["left_out"] == [
        {"name": "empty", "reason": "no train row has a value"},
        {"name": "none", "reason": "no train row has a value"},
        {"name": "never", "reason": "no train row has a value"},
        {"name": "t", "reason": "text beside other columns is not learned from"},
    ]


def test_fit_without_rows_or_columns_is_told() -> None:
    with pytest.raises(DataError, match=r"no train rows to fit on; give split\.fractions a larger first part"):
        fitted(ONE_NUMBER, {"n": []})
    with pytest.raises(DataError, match=r"^data/clean: no column to learn from \(n: no train row has a value\); add"):
        fitted(ONE_NUMBER, {"n": [None, None]})
    with pytest.raises(
        DataError, match=r"no column to learn from \(t: text beside other columns is not learned from\)"
    ):
        fitted(spec_of(t="text"), {"t": ["some words"]})
