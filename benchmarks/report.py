"""The results of all benchmarks: JSON, terminal output, docs/benchmarks.md, comparison with earlier results."""

import json
import statistics
from pathlib import Path

from rows import Row, row_from_json

HEAD = """\
# Benchmarks

`make bench` writes this page; no number in it is entered by hand. Most benchmarks compare Headrace with a program that
a user could run instead. The programs run in alternation on the same machine, so that noise affects them equally.
Values come from medians of several runs, all of one machine. `python benchmarks/run.py NAME ...` repeats some
benchmarks, and `--against results.json` compares the results with those of an earlier run. Networks 000, 001 and 003
are those of the recipes mnist-cnn, mnist-cnn-deep and cifar10-cnn.
"""
QUICK = (
    "**A quick run: few rows, few epochs, one run each. It shows that the programs run; its values mean nothing.**\n"
)


def empty_results() -> dict:
    """Returns results without rows."""
    return {"runs": {}, "rows": {}}


def read_results(path: Path) -> dict:
    """Returns the results of earlier runs, or empty ones if there is no such file.

    Raises:
        ValueError: if an older version of the benchmarks wrote the file.
    """
    results = json.loads(path.read_text()) if path.is_file() else empty_results()
    if not all("value" in row for row in results["rows"].values()) or "machine" in results:
        raise ValueError(f"{path}: written by an older version of the benchmarks; delete it and measure again")
    return results


def merge_results(results: dict, new_rows: dict[str, list[Row]], *, run: dict) -> dict:
    """Replaces the rows of the benchmarks in `new_rows` (benchmark -> rows) by those of this run.

    Runs without rows are dropped.
    """
    old_rows = {name: row for name, row in results["rows"].items() if row["benchmark"] not in new_rows}
    rows = old_rows | {row.name: row.to_json() | {"run": run["date"]} for group in new_rows.values() for row in group}
    runs = results["runs"] | {run["date"]: run}
    used = {row["run"] for row in rows.values()}
    return {"runs": {date: runs[date] for date in sorted(used)}, "rows": rows}


def format_row(row: Row) -> str:
    """Formats a row as one line for the terminal."""
    if row.failure:
        return f"{row.name}: FAILED: {row.failure}"
    target = f", target {_format_target(row)}" if row.target is not None else ""
    verdict = {True: ", met", False: ", MISSED", None: ""}[row.is_met]
    runs = "".join(f"; {program} {_format_numbers(values)} {row.runs_unit}" for program, values in row.runs.items())
    return f"{row.name}: {_format_value(row)}{target}{verdict}{runs}"


def format_markdown(results: dict, order: list[str], *, is_quick: bool) -> str:
    """Formats the results as a page, its rows in the `order` of their benchmarks."""
    rows = sorted(
        results["rows"].values(),
        key=lambda row: order.index(row["benchmark"]) if row["benchmark"] in order else len(order),
    )
    head = [HEAD, *([QUICK] if is_quick else []), _format_runs(results)]
    table = ["| benchmark | value | target | |", "| --- | ---: | ---: | --- |"]
    table += [_format_table_row(row_from_json(values)) for values in rows]
    missing = [name for name in order if name not in {values["benchmark"] for values in rows}]
    if missing:
        table.append(f"\nNot measured yet: {', '.join(f'`{name}`' for name in missing)}.")
    return "\n".join([*head, *table, "", "## Details", "", *[_format_details(values) for values in rows]])


def compare_results(results: dict, earlier: dict) -> list[str]:
    """Formats one line for each row measured since the earlier results: old value, new value, change."""
    lines = []
    if [run["machine"] for run in results["runs"].values()] != [run["machine"] for run in earlier["runs"].values()]:
        lines.append("not all on the same machine: only ratios are comparable")
    for name, new_values in results["rows"].items():
        old_values = earlier["rows"].get(name)
        if old_values is None:
            lines.append(f"{name}: not in the earlier results")
        elif old_values["run"] == new_values["run"]:
            continue
        elif new_values["failure"] or old_values["failure"]:
            lines.append(f"{name}: failed in one of the two runs")
        else:
            new, old = row_from_json(new_values), row_from_json(old_values)
            change = f", {new.value / old.value - 1:+.1%}" if old.value else ""
            regression = ", WAS MET BEFORE" if old.is_met and new.is_met is False else ""
            lines.append(f"{name}: {_format_number(old.value)} -> {_format_value(new)}{change}{regression}")
    return lines


def _format_runs(results: dict) -> str:
    lines = ["| run (UTC) | commit | load before | machine | versions |", "| --- | --- | ---: | --- | --- |"]
    for run in results["runs"].values():
        versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        machine = "{cores} cores, {processor}, {memory_gb} GB; {system}".format(**run["machine"])
        lines.append(f"| {run['date']} | {run['commit']} | {run['load']} | {machine} | {versions} |")
    return "\n".join([*lines, ""])


def _format_table_row(row: Row) -> str:
    if row.failure:
        return f"| {row.title} | | | **FAILED** |"
    verdict = {True: "met", False: "**MISSED**", None: ""}[row.is_met]
    return f"| {row.title} | {_format_value(row)} | {_format_target(row)} | {verdict} |"


def _format_details(values: dict) -> str:
    row = row_from_json(values)
    lines = [f"### `{row.name}`", "", f"{row.title}. Run of {values['run']}.", ""]
    if row.failure:
        return "\n".join([*lines, f"Failed: {row.failure}", ""])
    lines += [
        f"- {program}: median {_format_number(statistics.median(runs))} {row.runs_unit} (of {_format_numbers(runs)})"
        for program, runs in row.runs.items()
    ]
    lines += [
        f"- test accuracy, {program}: {', '.join(f'{accuracy:.2%}' for accuracy in accuracies)}"
        for program, accuracies in row.accuracies.items()
        if accuracies
    ]
    lines += [f"- {condition}: {'yes' if holds else '**no**'}" for condition, holds in row.conditions.items()]
    if row.notes:
        lines.append(f"- method and differences: {row.notes}")
    return "\n".join([*lines, ""])


def _format_value(row: Row) -> str:
    return f"{_format_number(row.value)} {row.unit}".rstrip()


def _format_target(row: Row) -> str:
    if row.target is None:
        return ""
    stretch = "" if row.stretch_target is None else f" (stretch {_format_number(row.stretch_target)})"
    sign = "<=" if row.lower_is_better else ">="
    return f"{sign} {_format_number(row.target)} {row.unit}".rstrip() + stretch


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def _format_numbers(values: list[float]) -> str:
    return ", ".join(map(_format_number, values))
