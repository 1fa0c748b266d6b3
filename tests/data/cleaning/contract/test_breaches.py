from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.contracts import Finding
from headrace.data.cleaning.contract.breaches import find_label_breaches, find_measure_breaches, find_repeats
from headrace.storage.parquet import write_shards


def options_of(**rule: Any) -> dict[str, Any]:
    return {"contract_drop": {"rules": [{"key": "the.key", **rule}]}}


def test_labels_out_of_range_or_unknown() -> None:
    labels, codes = ["1", "7.5", "x", None], np.array([0, 1, 1, 2, 3], np.int32)
    limits = options_of(subject="target", test="range", low=0, high=5)
    assert list(find_label_breaches(labels, codes, limits)) == [
        Finding(row, "contract_drop", "target '7.5' is outside 0 to 5 (contract.yaml: the.key)") for row in (1, 2)
    ]
    values = options_of(subject="target", test="values", allowed=["1", "x"], is_multilabel=False)
    assert [finding.row for finding in find_label_breaches(labels, codes, values)] == [1, 2]


def test_each_of_several_labels_must_be_allowed() -> None:
    rule = options_of(subject="target", test="values", allowed=["war"], is_multilabel=True)
    found = list(find_label_breaches(['["war"]', '["war", "wra"]', "[]"], np.array([0, 1, 2], np.int32), rule))
    assert [(finding.row, finding.reason.partition(" (")[0]) for finding in found] == [
        (1, "target 'wra' is not allowed")
    ]


def test_measures_out_of_range() -> None:
    measures = {"width": np.array([10, 20, np.nan, 31], np.float32)}
    found = list(find_measure_breaches(measures, options_of(subject="measure", column="width", low=15, high=30)))
    assert [(finding.row, finding.reason) for finding in found] == [
        (0, "width 10 is outside 15 to 30 (contract.yaml: the.key)"),
        (3, "width 31 is outside 15 to 30 (contract.yaml: the.key)"),
    ]


def test_repeats_are_found_over_all_shards_and_name_the_first_row(tmp_path: Path) -> None:
    cells = [["a", None, " b", "-"], ["b", "c", "a ", None, "-"]]
    schema = pa.schema([("code", pa.string())])
    write_shards(tmp_path, schema, (pa.RecordBatch.from_pydict({"code": batch}, schema) for batch in cells))
    rule = options_of(subject="repeat", column="code", name="Code", missing=["-"], test="unique")
    found = [(finding.row, finding.repeats, finding.reason) for finding in find_repeats(tmp_path, rule)]
    assert found == [
        (4, 2, "Code: 'b' occurs again (contract.yaml: the.key)"),
        (6, 0, "Code: 'a' occurs again (contract.yaml: the.key)"),
    ]
