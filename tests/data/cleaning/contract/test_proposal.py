from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.cleaning.contract.proposal import find_pattern, propose_contract
from headrace.data.cleaning.contract.settings import Contract
from headrace.storage.parquet import write_shards

COLUMNS = [
    Column(name="size", kind="numeric"),
    Column(name="text", kind="categorical"),
    Column(name="code", kind="categorical"),
    Column(name="seen", kind="date"),
]


def propose(folder: Path, task: Any, labels: list[str]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    num_rows = len(labels)
    table = pa.table(
        {
            "size": pa.array([None, *(index * 0.5 for index in range(1, num_rows))], pa.float64()),
            "text_": [("red", "blue")[index % 2] for index in range(num_rows)],
            "code": [f"AB-{index:03d}" for index in range(num_rows)],
            "seen": pa.array([index * 86_400_000_000 for index in range(num_rows)], pa.timestamp("us")),
            "label": labels,
        }
    )
    write_shards(folder, table.schema, table.to_batches())
    spec = Spec(modality="table", task=task, source="a", format="table", num_rows=num_rows, columns=COLUMNS)
    contract = propose_contract(spec, spec, folder)
    Contract.model_validate(contract)
    return contract


def test_columns_get_the_rules_that_their_cells_keep(tmp_path: Path) -> None:
    contract = propose(tmp_path, "classification", ["a", "b", "a"] * 20)
    columns = contract["columns"]
    assert columns["size"] == {
        "kind": {"expected": "numeric", "action": "stop"},
        "range": {"min": 0.5, "max": 29.5, "action": "warn"},
        "missing": {"max_share": 0.021, "action": "warn"},
    }
    assert columns["text"]["values"] == {"allowed": ["blue", "red"], "action": "warn"}
    assert columns["text"]["required"] == {"action": "warn"}
    assert columns["code"]["pattern"] == {"regex": r"[A-Z]{2}\-\d{3}", "action": "warn"}
    assert columns["code"]["unique"] == {"action": "warn"}
    assert "unique" not in columns["text"]
    assert columns["seen"]["range"] == {"min": "1970-01-01 00:00:00", "max": "1970-03-01 00:00:00", "action": "warn"}
    assert contract["drift"]["columns"].keys() == {"size", "text"}
    assert contract["target"] == {
        "values": {"allowed": ["a", "b"], "action": "warn"},
        "shares": {"expected": {"a": 0.666667, "b": 0.333333}, "tolerance": 0.1, "action": "warn"},
    }


def test_targets_of_other_tasks(tmp_path: Path) -> None:
    assert propose(tmp_path / "a", "regression", [f"{i}.5" for i in range(30)])["target"] == {
        "range": {"min": 0.5, "max": 29.5, "action": "warn"}
    }
    assert propose(tmp_path / "b", "multilabel", ['["x", "y"]', "[]", '["z"]'] * 10)["target"] == {
        "values": {"allowed": ["x", "y", "z"], "action": "warn"}
    }


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["AB-12", "C-345"], r"[A-Z]{1,2}\-\d{2,3}"),
        (["a1", "b2"], r"[a-z]\d"),
        (["a1", "1a"], ""),
        (["Weg 1", "Weg 12"], r"[A-Z][a-z]{2}\ \d{1,2}"),
        (["a\n1", "b\n2"], ""),
        (["é1", "é2"], r"é\d"),
    ],
)
def test_pattern_is_the_form_that_all_share(names: list[str], pattern: str) -> None:
    assert find_pattern(names) == pattern
