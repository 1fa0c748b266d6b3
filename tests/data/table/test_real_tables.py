"""Published sets come out with the counts that were published with them."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.reader import read_table_files

pytestmark = pytest.mark.skipif(
    "HEADRACE_BENCH_DATA" not in os.environ, reason="HEADRACE_BENCH_DATA is not set: no real tables"
)
ADULT = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain "
    "capital_loss hours_per_week native_country income"
)


def opened(name, **options):
    path = Path(os.environ["HEADRACE_BENCH_DATA"]) / name
    found = read_table_files(path, ReadOptions(source=name, **options))
    return found.spec, pa.Table.from_batches(found.batches, found.schema)


def counts(column):
    return {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}


def missing(table):
    return {name: table[name].null_count for name in table.schema.names if table[name].null_count}


def test_adult():
    spec, table = opened("tabular/adult", table=TableFormat(names=ADULT.split()))
    assert (spec.modality, spec.task, spec.target) == ("table", "classification", "income")
    kinds = {column.name: column.kind for column in spec.columns}
    assert [name for name, kind in kinds.items() if kind == "numeric"] == [
        "age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week",
    ]  # fmt: skip
    assert set(kinds.values()) == {"numeric", "categorical"}
    assert counts(table["split"]) == {"train": 32_561, "test": 16_281}
    assert counts(table["label"]) == {"<=50K": 37_155, ">50K": 11_687}
    train = table.filter(pc.equal(table["split"], "train"))
    assert missing(train) == {"workclass": 1836, "occupation": 1843, "native_country": 583}
    assert len(table["row_id"].unique()) == 48_842


def test_titanic():
    spec, table = opened("tabular/titanic/titanic.csv")
    assert (spec.modality, spec.task, spec.target, table.num_rows) == ("table", "classification", "Survived", 891)
    assert missing(table) == {"split": 891, "Age": 177, "Cabin": 687, "Embarked": 2}
    assert counts(table["label"]) == {"0": 549, "1": 342}


def test_sms_spam():
    spec, table = opened("text/sms_spam.tsv")
    assert (spec.modality, spec.task, spec.target) == ("text", "classification", "column_0")
    assert counts(table["label"]) == {"ham": 4827, "spam": 747}
    assert missing(table) == {"split": 5574}
    assert pc.sum(pc.count_substring(table["column_1"], '"')).as_py() > 0  # stray quotes are kept


def test_sst2():
    spec, table = opened("text/sst2")
    assert (spec.modality, spec.task, spec.target) == ("text", "classification", "column_1")
    assert counts(table["split"]) == {"train": 6920, "val": 872, "test": 1821}
    assert missing(table) == {}
