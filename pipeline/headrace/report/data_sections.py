"""The sections on the data, on cleaning, and on the training."""

from __future__ import annotations

import hashlib
from typing import Any

from headrace.contracts import Json
from headrace.data.cleaning.checks import ALL_CHECKS
from headrace.paths import CONTRACT
from headrace.report.charts import LineChart, build_line_chart
from headrace.report.layout import Link, Section, Table, format_name, format_number
from headrace.report.run_files import RunFiles
from headrace.tasks import TASKS

OUTCOMES = ("quarantined", "repaired", "warned")
"""First word of the metrics of `clean` that count rows by check."""
MAX_NAMES = 12
NO_CURVES = ("epoch", "step", "samples_per_second")
"""Columns of the history that are no curves of the training."""
SETTINGS = ("optimizer", "learning_rate", "schedule", "batch_size", "loss", "precision", "seed")


def describe_data(run: RunFiles) -> Section:
    """Returns what the model learned from, with hashes of it."""
    spec = run.spec
    if not spec:
        return Section("Data", missing=run.explain_absence("ingest", "data/raw"))
    split, hashes = run.metrics("split"), run.card.get("lineage", {}).get("data", {})
    facts = {
        "source": spec["source"],
        "format": spec["format"],
        "kind": f"{spec['modality']}, {spec['task']}",
        "to predict": ", ".join(spec["targets"]) or spec["target"] or "the class, by folder or file",
        "inputs": _list_names([column["name"] for column in spec["columns"]]),
        "classes": _list_names(spec["classes"]),
        "rows": format_number(run.metrics("ingest").get("rows")),
        "contract": _describe_contract(run),
        "train, validation, test rows": ", ".join(
            format_number(split[name]) for name in ("train", "val", "test") if name in split
        ),
        "hash of data/raw": hashes.get("raw", ""),
        "hash of data/normalized": hashes.get("normalized", ""),
    }
    return Section("Data", tables=[_make_facts("The data set", facts), *_list_assumptions(run)])


def _describe_contract(run: RunFiles) -> str:
    """The contract to which `clean` held the rows."""
    path = run.paths.held_contract_path
    if path.is_file():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{CONTRACT}, SHA-256 {digest}; the rows that broke it are under Cleaning"
    return f"none: later data may have other columns and values; headrace contract proposes {CONTRACT}"


def _list_assumptions(run: RunFiles) -> list[Table]:
    """What was assumed about the data, those that may well be wrong first."""
    found = (run.read_json("normalize", "reports/assumptions.json") or {}).get("assumptions", [])
    rows = [
        [each["subject"], ("check: " if each["is_warning"] else "") + each["text"], each["setting"]]
        for each in sorted(found, key=lambda each: not each["is_warning"])
    ]
    header = ("what", "assumption", "setting that changes it")
    return [Table("What was assumed about the data", header, rows, 3)] if rows else []


def describe_cleaning(run: RunFiles) -> Section:
    """Returns what cleaning removed, repaired and warned of, by check."""
    metrics = run.metrics("clean")
    if not metrics:
        return Section("Cleaning", missing=run.explain_absence("clean", "reports/clean.html"))
    rows = [
        [
            name,
            outcome,
            format_number(count),
            ALL_CHECKS[name].description.replace("`", "") if name in ALL_CHECKS else "",
        ]
        for key, count in metrics.items()
        for outcome, _, name in [key.partition("_")]
        if outcome in OUTCOMES and name and count
    ]
    tables = [Table("Rows by check", ("check", "outcome", "rows", "finds"), rows, 4)] if rows else []
    total = (
        f"Of {metrics['rows_in']:,} rows, {metrics['quarantined']:,} were set aside in data/quarantine with their "
        f"reasons, {metrics['repaired']:,} were repaired, and {metrics['rows_out']:,} went on."
    )
    found = [] if rows else ["No check objected to a row."]
    return Section("Cleaning", [total, *found], tables, links=_link(run, "clean.html", "All checks, with examples"))


def describe_training(run: RunFiles) -> Section:
    """Returns settings and curves of the training."""
    card, metrics = run.card, run.metrics("train")
    if not card:
        return Section("Training", missing=run.explain_absence("train", "models/trained"))
    settings = card["settings"]
    if settings.get("loss") == "auto":
        settings = settings | {"loss": f"{TASKS[card['spec']['task']].losses[1]} (auto)"}
    facts = {
        "model": _describe_options(card["model"]),
        "parameters": format_number(metrics.get("parameters")),
        "epochs": format_number(metrics.get("epochs")),
        "weights of epoch": format_number(metrics.get("kept_epoch")),
        "fit": f"{metrics['fit_seconds']:,.1f} s" if "fit_seconds" in metrics else "",
        **{format_name(name): _describe_options(settings[name]) for name in SETTINGS if name in settings},
    }  # fmt: skip
    history = run.read_csv("train", "plots/train/history.csv")
    return Section("Training", tables=[_make_facts("The training", facts)], charts=draw_history(history))


def draw_history(history: list[dict[str, str]]) -> list[LineChart]:
    """Draws each metric by epoch, that of train and validation rows together."""
    names = [name for name in (history[0] if history else {}) if name not in NO_CURVES]
    metrics = dict.fromkeys(name.removeprefix("train_").removeprefix("val_") for name in names)
    charts = []
    for metric in metrics:
        kinds = {"train rows": f"train_{metric}", "validation rows": f"val_{metric}", format_name(metric): metric}
        curves = {
            label: [(float(row["epoch"]), float(row[name])) for row in history if row[name]]
            for label, name in kinds.items()
            if name in names
        }
        charts.append(build_line_chart(format_name(metric).capitalize(), "epoch", curves))
    return [chart for chart in charts if chart]


def _make_facts(caption: str, facts: dict[str, str]) -> Table:
    return Table(caption, ("what", "value"), [[name, value] for name, value in facts.items() if value], 2)


def _list_names(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _describe_options(value: str | float | Json | None) -> str:
    """A setting of one value, or of a name with options."""
    if not isinstance(value, dict):
        return format_number(value)
    options = ", ".join(f"{key} {_describe_value(option)}" for key, option in value.items() if key != "name")
    return f"{value.get('name', '')}" + (f" ({options})" if options else "")


def _describe_value(value: Any) -> str:
    if isinstance(value, dict):  # options of an option, such as those of an encoder
        return _describe_options(value)
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else format_number(value)


def _link(run: RunFiles, name: str, text: str) -> list[Link]:
    return [Link(name, text)] if (run.paths.root / "reports" / name).is_file() else []
