"""Writes docs/checks.md from CHECKS. Usage: checks_doc.py [--check]."""

import sys
from pathlib import Path

from headrace.data.cleaning.checks import ALL, CHECKS, Check

PATH = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
HEAD = """\
# Checks

What `clean` looks for (`make deps` writes this page). `clean.checks.<name>` in `params.yaml` is a severity, or a
severity and options: `{severity: drop, min_rows: 10}`.

| severity | what happens |
| --- | --- |
| error | the stage ends with one line that says what was found |
| drop | the row goes to `data/quarantine`; a column is no longer learned from |
| repair | the value is mended, and what it was stays in the column `original` |
| warn | it is told in the report and in `data/clean/findings.parquet` |
| off | nobody looks |

| check | of | finds | severity | options |
| --- | --- | --- | --- | --- |
"""


def line(name: str, check: Check) -> str:
    """One row of the table."""
    of = "all" if check.modalities == ALL else ", ".join(check.modalities)
    softer = "".join(f"; {modality}: {severity}" for modality, severity in check.softer.items())
    options = ", ".join(f"`{key}: {'null' if value is None else value}`" for key, value in check.options.items())
    return f"| `{name}` | {of} | {check.about} | {check.severity}{softer} | {options} |\n"


def main() -> None:
    text = HEAD + "".join(line(name, check) for name, check in CHECKS.items())
    if "--check" not in sys.argv:
        PATH.write_text(text, encoding="utf-8")
    elif PATH.read_text(encoding="utf-8") != text:
        sys.exit("docs/checks.md is not what CHECKS says; run: make deps")


main()
