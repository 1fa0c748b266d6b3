"""The results: kept as JSON by row, printed, written as docs/benchmarks.md, compared with earlier ones."""

import json
import statistics
from pathlib import Path

from rows import Row, row_of

HEAD = """\
# Benchmarks

`make bench` writes this page; no figure in it is typed by hand. Programs that a user could run instead stand beside
ours, on one machine, in turn, so that its noise is the same for both; each figure is made of medians, and every
single value is given. `python benchmarks/run.py NAME ...` measures some rows anew, `--against results.json` compares
with an earlier run.
"""
QUICK = (
    "**A quick run: few rows, few epochs, one run each. It shows that the programs run; its figures mean nothing.**\n"
)


def empty() -> dict:
    """Results without rows."""
    return {"machine": {}, "runs": {}, "rows": {}}


def read(path: Path) -> dict:
    """Results of earlier runs, or empty ones."""
    return json.loads(path.read_text()) if path.is_file() else empty()


def merge(results: dict, made: dict[str, list[Row]], *, machine: dict, run: dict) -> dict:
    """Earlier results with those of this run in place of what was measured under the same names.

    `made`: name that was asked for -> its rows. Rows of another machine are dropped.
    """
    kept = results["rows"] if results["machine"] == machine else {}
    kept = {name: row for name, row in kept.items() if row["of"] not in made}
    new = {row.name: row.as_json() | {"of": of, "run": run["date"]} for of, rows in made.items() for row in rows}
    rows = kept | new
    runs = results["runs"] | {run["date"]: run}
    used = {row["run"] for row in rows.values()}
    return {"machine": machine, "runs": {date: runs[date] for date in sorted(used)}, "rows": rows}


def sorted_rows(results: dict, order: list[str]) -> list[dict]:
    """The rows in the order of the names that they are asked for by."""
    return sorted(
        results["rows"].values(), key=lambda row: order.index(row["of"]) if row["of"] in order else len(order)
    )


def line(row: Row) -> str:
    """One line for a terminal."""
    if row.failure:
        return f"{row.name}: FAILED: {row.failure}"
    told = f"{row.name}: {figure(row)} {row.unit}".rstrip()
    verdict = {True: ", met", False: ", MISSED", None: ""}[row.is_met]
    values = "; ".join(f"{side} {_values(found)} {row.runs_unit}" for side, found in row.runs.items())
    return f"{told}{_bar(row)}{verdict}{'; ' + values if values else ''}"


def figure(row: Row) -> str:
    """Three digits, or whole numbers."""
    return _number(row.figure)


def markdown(results: dict, order: list[str], *, is_quick: bool) -> str:
    """The page."""
    rows = sorted_rows(results, order)
    head = [HEAD, *([QUICK] if is_quick else []), _about(results)]
    table = ["| row | figure | bar | |", "| --- | ---: | ---: | --- |"]
    table += [_table_line(row_of(values)) for values in rows]
    absent = [name for name in order if name not in {values["of"] for values in rows}]
    if absent:
        table.append(f"\nNot measured yet: {', '.join(f'`{name}`' for name in absent)}.")
    return "\n".join([*head, *table, "", "## What each is made of", "", *[_details(values) for values in rows]])


def compare(results: dict, earlier: dict) -> list[str]:
    """One line a row that both have: the earlier figure, this one, and by how much it changed."""
    lines = []
    if results["machine"] != earlier["machine"]:
        lines.append("another machine: only ratios can be compared")
    for name, values in results["rows"].items():
        before = earlier["rows"].get(name)
        if before is not None and before["run"] == values["run"]:
            continue  # not measured anew
        if before is None or values["failure"] or before["failure"]:
            lines.append(f"{name}: {'not in the earlier run' if before is None else 'failed in one of both'}")
            continue
        now, then = row_of(values), row_of(before)
        change = f", {now.figure / then.figure - 1:+.1%}" if then.figure else ""
        fell = ", WAS MET BEFORE" if then.is_met and now.is_met is False else ""
        lines.append(f"{name}: {figure(then)} -> {figure(now)} {now.unit}{change}{fell}")
    return lines


def _about(results: dict) -> str:
    machine = results["machine"]
    lines = [
        "Machine: {cores} cores, {processor}, {memory_gb} GB; {system}.".format(**machine),
        "",
        "| run (UTC) | commit | load before | versions |",
        "| --- | --- | ---: | --- |",
    ]
    for run in results["runs"].values():
        versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        lines.append(f"| {run['date']} | {run['commit']} | {run['load']} | {versions} |")
    return "\n".join([*lines, ""])


def _table_line(row: Row) -> str:
    if row.failure:
        return f"| {row.what} | | | **FAILED** |"
    verdict = {True: "met", False: "**MISSED**", None: ""}[row.is_met]
    return f"| {row.what} | {figure(row)} {row.unit} |{_bar(row).replace(', bar', '')} | {verdict} |"


def _details(values: dict) -> str:
    row = row_of(values)
    lines = [f"### `{row.name}`", "", f"{row.what}. Run of {values['run']}.", ""]
    if row.failure:
        return "\n".join([*lines, f"Failed: {row.failure}", ""])
    lines += [
        f"- {side}: median {_number(statistics.median(found))} {row.runs_unit} (of {_values(found)})"
        for side, found in row.runs.items()
    ]
    lines += [f"- test accuracy, {side}: {_percent(found)}" for side, found in row.accuracies.items() if found]
    lines += [f"- {what}: {'yes' if holds else '**no**'}" for what, holds in row.conditions.items()]
    if row.unequal:
        lines.append(f"- not equal, and how it was measured: {row.unequal}")
    return "\n".join([*lines, ""])


def _bar(row: Row) -> str:
    if row.bar is None:
        return ""
    aim = "" if row.aim is None else f" (aim {_number(row.aim)})"
    return f", bar {'<=' if row.is_upper else '>='} {_number(row.bar)} {row.unit}".rstrip() + aim


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def _values(values: list[float]) -> str:
    return ", ".join(map(_number, values))


def _percent(values: list[float]) -> str:
    return ", ".join(f"{value:.2%}" for value in values)
