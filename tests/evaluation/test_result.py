import csv
from pathlib import Path

from headrace.evaluation.result import write_csv


def test_names_with_commas_quotes_and_accents_come_back(tmp_path: Path) -> None:
    rows = [['a,"b"', "é"], ["c\nd", "x"]]
    write_csv(tmp_path / "table.csv", ("one", "two"), rows)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["one", "two"], *rows]
