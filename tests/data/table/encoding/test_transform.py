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
from headrace.data.table.encoding import transform as transform_module
from headrace.data.table.encoding.transform import TableTransform
from headrace.errors import ConfigError, DataError

TEXT = {"vocabulary": 300, "max_tokens": "auto", "lowercase": True, "tokenizer": None}
OPTIONS = {"scaling": "standard", "max_categories": 64, "min_category_rows": 2, "num_quantiles": 32, "text": TEXT}
TYPES = {
    "numeric": pa.float64(),
    "date": pa.timestamp("us"),
    "categorical": pa.string(),
    "text": pa.string(),
    "image": pa.string(),
}
RNG = np.random.default_rng(0)
DAY = datetime(2020, 6, 1)  # noqa: DTZ001 - tables have no time zones


class Batches:
    """Clean rows in batches, processed in this process."""

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


def fit(spec: Spec, columns: dict, **options: object) -> dict:
    transform = TableTransform().fit(Batches(table_of(spec, columns)), spec, OPTIONS | options)
    return json.loads(json.dumps(transform, allow_nan=False))


def apply(spec: Spec, columns: dict, transform: dict) -> np.ndarray:
    return TableTransform().apply(table_of(spec, columns).combine_chunks().to_batches()[0], transform)


def preprocessed(inputs: np.ndarray, transform: dict) -> np.ndarray:
    """Computes the first layer in float64, by the definition of `inputs` in transform.json."""
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
    ("scaling", "scaler", "shift"),
    [
        ("standard", StandardScaler(), 0.0),
        ("robust", RobustScaler(), 0.0),
        ("quantile", QuantileTransformer(n_quantiles=32, subsample=None), 0.5),
    ],
)
def test_scaling_matches_sklearn(scaling: str, scaler, shift: float) -> None:
    transform = fit(ONE_NUMBER, {"n": NUMBERS}, scaling=scaling)
    new = RNG.lognormal(3, 1.5, 300)
    scaler.fit(NUMBERS[:, None])
    features = preprocessed(apply(ONE_NUMBER, {"n": new}, transform), transform)
    np.testing.assert_allclose(features[:, 0] + shift, scaler.transform(new[:, None])[:, 0], atol=2e-5)


def test_scaling_none_keeps_values() -> None:
    transform = fit(ONE_NUMBER, {"n": NUMBERS}, scaling="none")
    features = preprocessed(apply(ONE_NUMBER, {"n": NUMBERS}, transform), transform)
    np.testing.assert_allclose(features[:, 0], NUMBERS, rtol=1e-6)


def test_missing_numbers_are_flagged_and_filled_with_the_median() -> None:
    transform = fit(ONE_NUMBER, {"n": [1.0, None, 5.0, 30.0]})
    (entry,) = transform["inputs"]
    assert (entry["fill"], entry["has_missing"]) == (5.0, True)
    assert np.isnan(apply(ONE_NUMBER, {"n": [None]}, transform)[0, 0])
    assert not fit(ONE_NUMBER, {"n": [1.0, 2.0]})["inputs"][0]["has_missing"]


def test_categories_are_ordered_by_frequency() -> None:
    spec = spec_of(c="categorical")
    cells = ["rare", *["b"] * 3, *["a"] * 3, *["z"] * 9, None, None]
    transform = fit(spec, {"c": cells})
    assert transform["columns"] == [{"name": "c", "kind": "categorical", "values": ["z", "a", "b"]}]
    assert transform["inputs"] == [{"name": "c", "column": "c", "kind": "categorical", "num_values": 5}]
    new = ["z", "a", "b", "rare", "never seen", None, ""]
    assert apply(spec, {"c": new}, transform)[:, 0].tolist() == [2, 3, 4, 0, 0, 1, 0]
    few = fit(spec, {"c": cells}, max_categories=1)
    assert few["columns"][0]["values"] == ["z"]
    every = fit(spec, {"c": cells}, min_category_rows=1)
    assert every["columns"][0]["values"] == ["z", "a", "b", "rare"]


def test_categories_that_are_all_rare_keep_the_missing_id() -> None:
    spec = spec_of(c="categorical")
    transform = fit(spec, {"c": ["x", "y", None]})
    assert apply(spec, {"c": ["x", "new", None]}, transform)[:, 0].tolist() == [0, 0, 1]


def test_dates_become_days_and_cycles() -> None:
    spec = spec_of(d="date")
    days = [DAY + timedelta(days=shift) for shift in range(-10, 11)]
    transform = fit(spec, {"d": [*days, None]})
    names = ["d.days", "d.year_sin", "d.year_cos", "d.week_sin", "d.week_cos"]
    assert [entry["name"] for entry in transform["inputs"]] == names
    assert {entry["column"] for entry in transform["inputs"]} == {"d"}
    assert [entry["has_missing"] for entry in transform["inputs"]] == [True, False, False, False, False]
    features = apply(spec, {"d": [DAY, DAY + timedelta(days=7, hours=12), datetime(2021, 1, 1), None]}, transform)  # noqa: DTZ001
    assert features[:2, 0].tolist() == [0, 7.5]
    np.testing.assert_allclose(features[2, 1:3], [0, 1], atol=1e-7)
    np.testing.assert_allclose(features[0, 3:], [0, 1], atol=1e-7)  # 1 June 2020 was a Monday
    np.testing.assert_allclose(np.hypot(features[:3, 1], features[:3, 2]), 1, atol=1e-6)
    assert np.isnan(features[3]).all()


def test_dates_time_of_day_where_it_varies() -> None:
    spec = spec_of(d="date")
    names = [entry["name"] for entry in fit(spec, {"d": [DAY, DAY + timedelta(hours=6)]})["inputs"]]
    assert names[-2:] == ["d.day_sin", "d.day_cos"]
    always_noon = [DAY + timedelta(days=day, hours=12) for day in range(9)]
    assert len(fit(spec, {"d": always_noon})["inputs"]) == 5


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile", "none"])
def test_constant_numbers_do_not_divide_by_zero(scaling: str) -> None:
    transform = fit(ONE_NUMBER, {"n": [7.0] * 5}, scaling=scaling)
    assert transform["inputs"][0]["scale"] == 1
    assert transform["inputs"][0]["quantiles"] is None
    assert np.isfinite(preprocessed(apply(ONE_NUMBER, {"n": [7.0, 8.0]}, transform), transform)).all()


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize(("shift", "factor"), [(1.7e9, 1.0), (1e15, 100.0), (0.0, 1e-30), (0.0, 1e30), (3.0, 1e-12)])
def test_numbers_equal_in_float32_are_shifted_and_scaled(scaling: str, shift: float, factor: float) -> None:
    base = np.random.default_rng(0).normal(size=300)
    values = base * factor + shift
    shifted = values - shift  # exact, unlike the mean of the values themselves
    plain = (shifted - shifted.mean()) / shifted.std() if scaling == "standard" else base
    transform = fit(ONE_NUMBER, {"n": values}, scaling=scaling)
    features = preprocessed(apply(ONE_NUMBER, {"n": values}, transform), transform)[:, 0]
    assert np.isfinite(features).all()
    if scaling == "standard":
        np.testing.assert_allclose(features, plain, atol=1e-3)  # limited by the precision of a float64 mean
    else:
        assert np.corrcoef(np.argsort(np.argsort(features)), np.argsort(np.argsort(plain)))[0, 1] > 0.999


def test_numbers_at_the_end_of_float32_stay_finite() -> None:
    transform = fit(ONE_NUMBER, {"n": [1.0, 2.0, 1e37]})
    assert np.isfinite(apply(ONE_NUMBER, {"n": [-1e308, 1e308]}, transform)).all()


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


def test_fit_samples_the_same_rows_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "MAX_ROWS", 1000)
    values = RNG.normal(10, 1, 12_000)
    spec = spec_of(12_000, n="numeric")
    table = table_of(spec, {"n": values})
    whole = TableTransform().fit(Batches(table, 500), spec, OPTIONS)
    rotated = pa.concat_tables([table.slice(7000), table.slice(0, 7000)])
    assert TableTransform().fit(Batches(rotated), spec, OPTIONS) == whole
    assert whole["inputs"][0]["center"] == pytest.approx(values.mean(), rel=1e-14)  # of all rows
    assert whole["inputs"][0]["fill"] == pytest.approx(np.median(values), abs=0.1)
    # the sample does not depend on the fraction of rows that are train rows
    assert TableTransform().fit(Batches(table), spec.model_copy(update={"num_rows": 15_000}), OPTIONS) == whole


def test_apply_does_not_depend_on_the_batch() -> None:
    spec = spec_of(n="numeric", c="categorical")
    columns = {"n": [1.0, None, 3.0, 9.0], "c": ["a", "b", None, "a"]}
    transform = fit(spec, columns)
    whole = apply(spec, columns, transform)
    alone = [apply(spec, {"n": [n], "c": [c]}, transform)[0] for n, c in zip(*columns.values(), strict=True)]
    np.testing.assert_array_equal(np.stack(alone), whole)
    assert whole.dtype == np.float32
    assert whole.shape == (4, *transform["input_shape"])


def test_apply_no_rows_keeps_the_width() -> None:
    spec = spec_of(n="numeric", c="categorical", d="date")
    transform = fit(spec, {"n": [1.0, 2.0], "c": ["a", "a"], "d": [DAY, DAY]})
    batch = pa.RecordBatch.from_pylist([], table_of(spec, {"n": [1.0], "c": ["a"], "d": [DAY]}).schema)
    assert TableTransform().apply(batch, transform).shape == (0, 7)


def test_fit_a_single_row() -> None:
    spec = spec_of(n="numeric", c="categorical")
    transform = fit(spec, {"n": [3.0], "c": ["a"]})
    assert transform["input_shape"] == [1]
    assert transform["left_out"] == [
        {"name": "c", "reason": "no value occurs in at least 2 train rows (normalize.table.min_category_rows)"}
    ]
    assert preprocessed(apply(spec, {"n": [3.0], "c": ["a"]}, transform), transform).tolist() == [[0]]


def test_fit_leaves_out_unusable_columns() -> None:
    spec = spec_of(n="numeric", empty="numeric", none="categorical", never="date", no="text", i="image")
    nothing = dict.fromkeys(("empty", "none", "never", "no"), [None] * 2)
    transform = fit(spec, {"n": [1.0, 2.0], **nothing, "i": ["x"] * 2})
    assert not {"tokenizer", "vocabulary", "unknown", "lowercase"} & set(transform)
    assert transform["input_shape"] == [1]
    assert transform["left_out"] == [
        {"name": "empty", "reason": "no train row has a value"},
        {"name": "none", "reason": "no train row has a value"},
        {"name": "never", "reason": "no train row has a value"},
        {"name": "no", "reason": "no train row has a value"},
        {"name": "i", "reason": "image columns of a table are not used for training"},
    ]


def test_fit_without_rows_or_columns_raises() -> None:
    with pytest.raises(DataError, match=r"no train rows to fit on; give split\.fractions a larger first part"):
        fit(ONE_NUMBER, {"n": []})
    with pytest.raises(DataError, match=r"^data/clean: no column to learn from \(n: no train row has a value\); add"):
        fit(ONE_NUMBER, {"n": [None, None]})
    with pytest.raises(
        DataError, match=r"no column to learn from \(i: image columns of a table are not used for training\)"
    ):
        fit(spec_of(i="image"), {"i": ["a.png"]})
    with pytest.raises(DataError, match=r"no train rows to fit on"):
        fit(spec_of(t="text"), {"t": []})


def test_texts_become_ids_of_a_shared_tokenizer_each_with_a_length_of_its_own() -> None:
    bodies = [" ".join(["a long story"] * (5 + row % 5)) for row in range(40)]
    columns = {"title": ["A story"] * 39 + [None], "n": list(range(40)), "body": bodies}
    spec = spec_of(title="text", n="numeric", body="text")
    transform = fit(spec, columns)
    title, number, body = transform["columns"]
    assert (title["max_tokens"], number["kind"], body["max_tokens"]) == (16, "numeric", 32)
    assert (title["cut_share"], transform["lowercase"]) == (0.0, True)
    assert [entry["kind"] for entry in transform["inputs"]] == ["token"] * 16 + ["numeric"] + ["token"] * 32
    assert transform["inputs"][17] == {"name": "body.0", "column": "body", "kind": "token"}
    inputs = apply(spec, columns, transform)
    assert inputs.shape == (40, *transform["input_shape"]) == (40, 49)
    assert (inputs[39, :16] == 0).all(), "a missing text"
    story = inputs[0, 1]
    assert (inputs[:39, 1] == story).all()
    assert (inputs[:, 17:] == story).any(axis=1).all(), "the same word has the same id in both columns"


def test_length_of_texts_is_set_for_all_columns() -> None:
    text = {**TEXT, "max_tokens": 3}
    transform = fit(spec_of(t="text"), {"t": ["some more words than three here"] * 30}, text=text)
    (column,) = transform["columns"]
    assert (column["max_tokens"], column["cut_share"], transform["input_shape"]) == (3, 1.0, [3])


def test_tokenizer_of_more_ids_than_float32_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform_module, "MAX_IDS", 100)
    with pytest.raises(ConfigError, match=r"^params.yaml: normalize.text.tokenizer: has \d+ ids; at most 100 can be"):
        fit(spec_of(t="text"), {"t": ["some words"] * 30})
