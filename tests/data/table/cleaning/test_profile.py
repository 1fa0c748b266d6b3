import json
import random

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Spec
from headrace.data.table import row_sample
from headrace.data.table.cleaning.profile import profile_table
from headrace.errors import DataError
from tests.data.table.cleaning.helpers import OPTIONS, Batches, spec_of, table_of

RNG = np.random.default_rng(0)


def profile(table: pa.Table, spec: Spec, size: int = 64) -> dict:
    return profile_table(Batches(*table.to_batches(size)), spec, OPTIONS)


def test_profile_matches_numpy() -> None:
    values = RNG.lognormal(3, 1, 500)
    cells = [*values.tolist(), *[None] * 20, "x", " ", "inf"]
    facts = profile(table_of({"a": cells}), spec_of(a="numeric"))["columns"]["a"]
    assert (facts["missing"], facts["broken"], facts["distinct"]) == (22, 1, 501)
    assert (facts["low"], facts["high"], facts["median"]) == (values.min(), values.max(), np.median(values))
    assert facts["mad"] == np.median(np.abs(values - np.median(values)))
    assert not facts["is_integer"]


def test_profile_is_plain_json_and_independent_of_order_and_batches() -> None:
    table = table_of({
        "n": [*RNG.normal(size=297).tolist(), None, "x", "inf"],
        "c": [f"value {RNG.integers(40)}" for _ in range(300)],
        "d": [f"{1 + row % 28}/{1 + row % 12}/2020" for row in range(300)],
        "t": [f"some words {row}" for row in range(300)],
    })  # fmt: skip
    spec = spec_of(n="numeric", c="categorical", d="date", t="text")
    whole = profile(table, spec)
    json.dumps(whole, allow_nan=False)
    order = list(range(300))
    random.Random(0).shuffle(order)
    assert profile(table.take(order), spec, size=7) == whole


def test_profile_samples_the_same_rows_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "MAX_ROWS", 1000)
    table = table_of({"n": RNG.normal(size=12_000).tolist()})
    spec = spec_of(num_rows=12_000, n="numeric")
    whole = profile(table, spec, size=500)["columns"]["n"]
    assert profile(table.slice(6000), spec)["columns"]["n"] != whole
    assert profile(pa.concat_tables([table.slice(6000), table.slice(0, 6000)]), spec)["columns"]["n"] == whole
    exact = np.median(table["n"].to_numpy().astype(float))
    assert whole["median"] != exact
    assert whole["median"] == pytest.approx(exact, abs=0.1)


def test_profile_without_rows_raises() -> None:
    with pytest.raises(DataError, match=r"data/raw: no rows"):
        profile(table_of({"a": []}), spec_of(a="numeric"))
