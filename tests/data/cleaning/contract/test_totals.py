import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.cleaning.contract.settings import Contract
from headrace.data.cleaning.contract.totals import check_totals, find_psi, summarize_values
from headrace.errors import DataError
from headrace.storage.parquet import write_shards

SPEC = Spec(
    modality="table", task="classification", source="a", format="table", num_rows=0,
    columns=[Column(name="size", kind="numeric"), Column(name="colour", kind="categorical")],
)  # fmt: skip


def rows_of(sizes: list[float | None], colours: list[str | None], labels: list[str]) -> pa.Table:
    return pa.table({"size": pa.array(sizes, pa.float64()), "colour": colours, "label": labels})


def usual(num_rows: int = 400, seed: int = 0, shift: float = 0.0, red: float = 0.5) -> pa.Table:
    rng = np.random.default_rng(seed)
    colours = np.where(rng.random(num_rows) < red, "red", "blue").tolist()
    return rows_of((rng.normal(size=num_rows) + shift).tolist(), colours, ["a", "b"] * (num_rows // 2))


def check(table: pa.Table, folder: Path, **contract: Any) -> list[str]:
    write_shards(folder, table.schema, table.to_batches())
    remarks = check_totals(Contract.model_validate(contract), SPEC, folder)
    assert {check for check, _ in remarks} <= {"contract_warn"}
    return [text for _, text in remarks]


def accepted(table: pa.Table) -> dict[str, Any]:
    return {"columns": {name: summarize_values(table[name]) for name in ("size", "colour")}}


def test_same_distribution_has_no_drift(tmp_path: Path) -> None:
    assert check(usual(400, seed=1), tmp_path, drift=accepted(usual()) | {"max_psi": 0.1}) == []


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (usual(seed=1, shift=2.0), r"column 'size' drifted: above \S+ 10\.0% before, \d\d\.\d% now; PSI \d\.\d\d \("),
        (usual(seed=1, red=0.05), r"column 'colour' drifted: '(red|blue)' \d\d\.\d% before, "),
    ],
)
def test_drift_is_named_with_the_bin_that_changed_most(table: pa.Table, expected: str, tmp_path: Path) -> None:
    (text,) = check(table, tmp_path, drift=accepted(usual()))
    assert re.match(expected, text)
    assert text.endswith("(contract.yaml: drift.max_psi)")


def test_new_values_and_missing_cells_are_drift(tmp_path: Path) -> None:
    table = rows_of([None] * 200 + [0.0] * 200, ["green"] * 400, ["a", "b"] * 200)
    texts = check(table, tmp_path, drift=accepted(usual()))
    assert [text.partition(";")[0].partition(" 0.0%")[0] for text in texts] == [
        "column 'size' drifted: missing cells", "column 'colour' drifted: other values",
    ]  # fmt: skip


def test_few_rows_say_nothing_about_drift(tmp_path: Path) -> None:
    assert check(usual(20, shift=9.0), tmp_path, drift=accepted(usual())) == []


def test_drift_stops_where_the_contract_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/clean: column 'size' drifted: .*\(contract.yaml: stop\)"):
        check(usual(shift=2.0), tmp_path, drift=accepted(usual()) | {"action": "stop"})


def test_psi_is_that_of_the_formula_less_what_chance_does() -> None:
    p, q = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    rows = 1_000_000
    psi = find_psi((p * rows).astype(int).tolist(), (q * rows).astype(int).tolist())
    assert psi == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=1e-4)
    rng = np.random.default_rng(0)
    by_chance = [find_psi([100] * 10, rng.multinomial(300, [0.1] * 10).tolist()) for _ in range(200)]
    assert abs(np.mean(by_chance)) < 0.01


def test_share_of_missing_cells(tmp_path: Path) -> None:
    table = rows_of([1.0, None, None, 2.0], ["red"] * 4, ["a", "b"] * 2)
    rule = {"size": {"missing": {"max_share": 0.4}}, "colour": {"missing": {"max_share": 0.0}}}
    (text,) = check(table, tmp_path, columns=rule)
    assert (
        text == "column 'size': 50.0% of the cells are missing, more than 40.0% (contract.yaml: columns.size.missing)"
    )


def test_class_shares_with_a_missing_and_a_new_class(tmp_path: Path) -> None:
    table = rows_of([1.0] * 10, ["red"] * 10, ["a"] * 7 + ["new"] * 3)
    shares = {"expected": {"a": 0.65, "b": 0.35}, "tolerance": 0.1}
    texts = check(table, tmp_path, target={"shares": shares})
    assert [text.partition(" (")[0] for text in texts] == [
        "class 'b' has 0.0% of the rows, not 35.0% +- 10.0%", "class 'new' has 30.0% of the rows, not 0.0% +- 10.0%",
    ]  # fmt: skip


def test_values_of_dates_are_not_summarized() -> None:
    assert summarize_values(pa.chunked_array([pa.array([0], pa.timestamp("us"))])) is None
