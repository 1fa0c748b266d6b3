import csv
from pathlib import Path

import numpy as np

from headrace.evaluation.result import MAX_RESIDUALS, Table, residuals_table, write_tables


def test_write_tables_quotes_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    rows = [['a,"b"', "é"], ["c\nd", "x"]]
    write_tables(tmp_path, {"table": Table(("first", "second"), rows)})
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["first", "second"], *rows]


def test_residuals_table_holds_evenly_spaced_rows() -> None:
    values = np.arange(2.5 * MAX_RESIDUALS)
    rows = list(residuals_table(values, -values).rows)
    assert rows == [(value, -value) for value in values[::3].tolist()]
