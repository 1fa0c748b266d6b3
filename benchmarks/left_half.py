"""The rows of benchmarks/data.py: ingest, clean, split and normalize."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

from environments import BENCH_DIR
from rows import Row, Size

NAMES = ("data",)
RESULTS = BENCH_DIR / "results-data.json"
QUICK = ("planted",)


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Runs it as it is, and takes its rows over."""
    del names
    RESULTS.unlink(missing_ok=True)
    command = [sys.executable, str(BENCH_DIR / "data.py"), *(QUICK if size == "quick" else ())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or not RESULTS.is_file():
        raise RuntimeError(f"benchmarks/data.py: {' '.join((done.stdout + done.stderr).split())[-400:]}")
    for values in json.loads(RESULTS.read_text())["rows"]:
        yield row_of_data(values)


def row_of_data(values: dict) -> Row:
    """What it says of one row, in this table's terms; its note tells how it was measured."""
    return Row(
        f"data: {values['what']}",
        values["what"],
        values["figure"],
        values["unit"],
        bar=values["bar"],
        is_upper=values["is_upper"],
        unequal=values["note"],
    )
