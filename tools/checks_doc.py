"""Generates docs/checks.md from CHECKS; with --check, fails if it is outdated. Usage: checks_doc.py [--check]."""

import sys
from pathlib import Path

from headrace.data.cleaning.checks import ALL_MODALITIES, CHECKS, Check

PATH = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
HEAD = """\
# Checks

The checks of `clean` (`make code` writes this page). `clean.checks.<name>` in `params.yaml` is a severity, or a
severity and options: `{severity: drop, min_rows: 10}`.

| severity | what happens |
| --- | --- |
| error | the stage ends with one line that describes the finding |
| drop | the row goes to `data/quarantine`; a column is no longer used |
| repair | the value is repaired, and the old one is stored in the column `original` |
| warn | listed in the report and in `data/clean/findings.parquet`; the value stays |
| off | the check does not run |

Each finding, rejected row and error names the row by its `source`: `rows.csv:17` is line 17, `rows.parquet[16]` row 16
(from 0), `cat/0007.png` a file. `error` ends the stage at the first batch with such a row, or after the first check
that compares rows and finds something.

A column of numbers or dates cannot hold other text. Cells that are not numbers (`mixed_types`), infinite numbers
(`out_of_range`) and dates that do not exist (`impossible_date`) are therefore empty in `data/clean` under `warn` and
`off` too, and later stages treat them as missing; the column `original` has the text of the source under any severity.

| check | modality | finds | severity | options |
| --- | --- | --- | --- | --- |
"""


def format_check(name: str, check: Check) -> str:
    """Formats a check as a row of the table."""
    modalities = "all" if check.modalities == ALL_MODALITIES else ", ".join(check.modalities)
    severities = check.severity + "".join(
        f"; {modality}: {severity}" for modality, severity in check.severity_by_modality.items()
    )
    options = ", ".join(f"`{key}: {'null' if value is None else value}`" for key, value in check.options.items())
    return f"| `{name}` | {modalities} | {check.description} | {severities} | {options} |\n"


def main() -> None:
    text = HEAD + "".join(format_check(name, check) for name, check in CHECKS.items())
    if "--check" not in sys.argv:
        PATH.write_text(text, encoding="utf-8")
    elif PATH.read_text(encoding="utf-8") != text:
        sys.exit("docs/checks.md does not match CHECKS; run: make code")


main()
