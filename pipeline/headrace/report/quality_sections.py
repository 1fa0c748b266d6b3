"""The sections on the quality of the served graph: gates, test metrics, baselines, slices, robustness, mistakes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from headrace.contracts import Json, Metrics
from headrace.report.layout import Picture, Section, Table, format_interval, format_name, format_number, make_table
from headrace.report.run_files import RunFiles

MAX_SLICES, MAX_MISTAKES = 20, 12
CALIBRATION = ("ece", "temperature", "threshold", "coverage", "target_accuracy", "interval_90")
"""Beginnings of the names of what `quantize` fitted to the served graph, and of how right its confidence is."""
CALIBRATION_FIGURE = "reliability"
DESCRIPTION = "{http://www.w3.org/2000/svg}desc"
MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


def describe_gates(run: RunFiles) -> Section:
    """Returns the rules that the model had to meet, with their verdicts."""
    rows = []
    for stage, graph in (("validate", "float32"), ("quantize", "chosen")):
        for rule in (run.read_json(stage, f"reports/{stage}/gates.json") or {}).get("rules", []):
            part = rule.get("slice")
            where = f"{part['column']} = {part['value']}" if part else "all validation rows"
            numbers = (rule["limit"], rule["value"])
            interval = format_interval(rule.get("low"), rule.get("high"))
            rows.append([rule["rule"], graph, where, rule["verdict"], *map(format_number, numbers), interval])
    if not rows:
        return Section(
            "Gates", missing="No rules were checked: validate.gate in params.yaml is empty, or is not in a file yet."
        )
    columns = ("rule", "graph", "rows", "verdict", "limit", "value", "95 % interval")
    return Section("Gates", tables=[Table("Rules that the model must meet", columns, rows, 4)])


def describe_quality(run: RunFiles) -> Section:
    """Returns the metrics of the served graph on test rows, with the float32 graph beside it."""
    metrics = run.metrics("test")
    if not metrics:
        return Section("Test", missing=run.explain_absence("test", "metrics/test.json"))
    rows = [
        [format_name(name), format_number(value), _interval(metrics, name), format_number(metrics.get(f"fp32_{name}"))]
        for name, value in metrics.items()
        if name != "num_rows" and not name.startswith(("noise_", "fp32_")) and not name.endswith(("_low", "_high"))
    ]
    if "fp32_agreement" in metrics:
        rows.append(["agreement with the float32 graph", format_number(metrics["fp32_agreement"]), "", ""])
    tables = [Table("Metrics of test rows", ("metric", "served graph", "95 % interval", "float32 graph"), rows)]
    by_class = make_table("By class", run.read_csv("test", "reports/test/per_class.csv"))
    return Section(
        "Test",
        [f"Measured once, on {metrics['num_rows']:,} rows that no earlier stage has used."],
        [*tables, *([by_class] if by_class else [])],
        pictures=[figure for name, figure in _read_figures(run).items() if name != CALIBRATION_FIGURE],
    )


def describe_baselines(run: RunFiles) -> Section:
    """Returns the cheap models beside this one."""
    content = run.read_json("test", "reports/test/baselines.json")
    if not content:
        return Section("Baselines", missing=run.explain_absence("test", "reports/test/baselines.json"))
    model = ["this model", format_number(content["model"]), "", "", "", ""]
    rows = [
        [
            each["name"],
            format_number(each.get("value")),
            format_interval(each.get("low"), each.get("high")),
            each.get("skipped") or format_number(each.get("difference")),
            format_interval(each.get("difference_low"), each.get("difference_high")),
            format_number(each.get("fit_seconds")),
        ]
        for each in content["baselines"]
    ]
    columns = ("model", content["metric"], "95 % interval", "this model is better by", "95 % interval", "fit, s")
    sentences = [content["sentence"]] if content.get("sentence") else []
    return Section("Baselines", sentences, [Table("The same rows, by cheap models", columns, [model, *rows])])


def describe_slices(run: RunFiles) -> Section:
    """Returns the quality by part of the test rows."""
    parts = run.read_csv("test", "reports/test/slices.csv")
    worst = run.read_csv("test", "reports/test/worst_slices.csv")
    tables = [
        make_table(caption, rows[:MAX_SLICES], num_text_columns=2 if "column" in rows[0] else 1)
        for caption, rows in (("The worst of all parts", worst), ("Parts of the test rows", parts))
        if rows
    ]
    thirds = run.read_csv("test", "reports/test/thirds.csv")
    if any(tables) and thirds:
        tables.append(make_table("What low, middle and high are", thirds, num_text_columns=4))
    more = len(parts) - MAX_SLICES
    note = [f"{more} more are in reports/test/slices.csv."] if more > 0 else []
    if not any(tables):
        return Section("Slices", missing=run.explain_absence("test", "reports/test/slices.csv"))
    return Section("Slices", note, [table for table in tables if table])


def describe_robustness(run: RunFiles) -> Section:
    """Returns the quality on disturbed rows, and how rows unlike the train rows are noticed."""
    rows = [
        {"change": row["name"], "strength": row["strength"], "rows": row["rows"], "value": row["value"]}
        | {f"value_{end}": row[end] for end in ("low", "high")}
        for row in run.read_csv("test", "reports/test/robustness.csv")
    ]
    noise = [
        {"noise, grey levels of 255": name.removeprefix("noise_"), "accuracy": value}
        for name, value in run.metrics("test").items()
        if name.startswith("noise_")
    ]
    unfamiliar = run.read_json("test", "reports/test/out_of_distribution.json") or {}
    tables = [
        make_table("Changed test rows", rows),
        make_table("Gaussian noise on test rows", noise),
        make_table(
            "Rows unlike the train rows, found by the out-of-distribution score", unfamiliar.get("generated", [])
        ),
    ]
    if not any(tables):
        return Section("Robustness", missing=run.explain_absence("test", "reports/test/robustness.csv"))
    notes = [unfamiliar[name] for name in ("note", "reason") if unfamiliar.get(name)]
    return Section("Robustness", notes, [table for table in tables if table])


def describe_calibration(run: RunFiles) -> Section:
    """Returns whether the stated confidence is right, and the thresholds that belong to the served graph."""
    calibration: Metrics = run.read_json("quantize", "models/quantized/calibration.json") or {}
    facts = {name: value for name, value in calibration.items() if name.startswith(CALIBRATION)}
    table = make_table(
        "The served graph on validation rows",
        [{"what": format_name(name), "value": value} for name, value in facts.items()],
    )
    if not table:
        return Section("Calibration", missing=run.explain_absence("quantize", "models/quantized/calibration.json"))
    figure = _read_figures(run).get(CALIBRATION_FIGURE)
    return Section("Calibration", tables=[table], pictures=[figure] if figure else [])


def describe_mistakes(run: RunFiles) -> Section:
    """Returns the test rows that the model got wrong with the most confidence."""
    mistakes = (run.read_json("test", "reports/test/mistakes.json") or [])[:MAX_MISTAKES]
    if not mistakes:
        return Section("Mistakes", missing=run.explain_absence("test", "reports/test/mistakes.json"))
    rows = [
        [
            each.get("source") or each["row_id"],
            _show_row(each),
            _show_answer(each["label"]),
            _show_answer(each["predicted"]),
            format_number(each.get("confidence")),
        ]
        for each in mistakes
    ]
    table = Table("The worst mistakes on test rows", ("row", "content", "label", "predicted", "confidence"), rows, 4)
    pictures = [picture for each in mistakes if (picture := _read_mistake(run, each))]
    return Section("Mistakes", tables=[table], pictures=pictures)


def _interval(metrics: Metrics, name: str) -> str:
    return format_interval(metrics.get(f"{name}_low"), metrics.get(f"{name}_high"))


def _show_row(mistake: Json) -> str:
    if "text" in mistake:
        return str(mistake["text"])
    if "cells" in mistake:
        return ", ".join(f"{name} {format_number(value)}" for name, value in mistake["cells"].items())
    return str(mistake.get("picture", ""))


def _show_answer(answer: Any) -> str:
    """A class, labels, a value, or values by target."""
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "none"
    if isinstance(answer, dict):
        return ", ".join(f"{name} {format_number(value)}" for name, value in answer.items())
    return answer if isinstance(answer, str) else format_number(answer)


def _read_mistake(run: RunFiles, mistake: Json) -> Picture | None:
    name = mistake.get("picture")
    path = run.paths.report_dir("test") / str(name)
    if not name or not path.is_file():
        return None
    answers = f"{_show_answer(mistake['label'])}, predicted {_show_answer(mistake['predicted'])}"
    return Picture(_encode(path), f"test row: {answers}", answers)


def _read_figures(run: RunFiles) -> dict[str, Picture]:
    """The figures of `test` by name, each with its description in place of it for those who do not see it."""
    paths = sorted((run.paths.report_dir("test") / "figures").glob("*.svg")) if run.is_current("test") else []
    return {path.stem: Picture(_encode(path), _read_description(path)) for path in paths}


def _read_description(path: Path) -> str:
    return ET.parse(path).getroot().findtext(DESCRIPTION) or format_name(path.stem)  # noqa: S314 our own file


def _encode(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{content}"
