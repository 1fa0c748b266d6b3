"""The sections on the use of the model, its quantization, explanations, limits, and how to reproduce it."""

from __future__ import annotations

from headrace.contracts import Json
from headrace.report.layout import Link, Section, Table, format_interval, format_name, format_number, make_table
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config

FEW_ROWS = 30
"""Fewer test rows of a class say little about it."""
NOT_WRITTEN = "Nobody has written this yet: set register.{} in params.yaml."


def describe_use(config: Config) -> Section:
    """Returns what the model is for, in the words of the person who trained it."""
    return Section(
        "Intended use",
        [
            f"For: {config.intended_use or NOT_WRITTEN.format('intended_use')}",
            f"Not for: {config.out_of_scope or NOT_WRITTEN.format('out_of_scope')}",
        ],
    )


def describe_quantization(run: RunFiles) -> Section:
    """Returns all candidates, and why one of them is served."""
    choice = run.read_json("quantize", "models/quantized/choice.json")
    if not choice:
        return Section("Quantization", missing=run.explain_absence("quantize", "models/quantized/choice.json"))
    candidates = {"float32": choice.get("fp32", {})} | {each["name"]: each for each in choice.get("candidates", [])}
    rows = [_describe_candidate(name, values, choice) for name, values in candidates.items()]
    columns = ("graph", "verdict", "quality", "lost, 95 %", "kB", "ms a row", "times the latency, 95 %")
    limits = ", ".join(
        f"{format_name(name)} {format_number(value)}" for name, value in choice.get("limits", {}).items()
    )
    machine = ", ".join(f"{name} {_join(value)}" for name, value in choice.get("machine", {}).items())
    sensitivity = run.read_json("quantize", "models/quantized/sensitivity.json") or []
    nodes = make_table("Divergence when one node alone is quantized", sensitivity, num_text_columns=2)
    return Section(
        "Quantization",
        [
            f"Served: {choice.get('precision', 'float32')}. {choice.get('reason', '')}.",
            f"Limits: {limits}.",
            f"Measured on: {machine}.",
        ],
        [Table("Candidates on validation rows", columns, rows, 2), *([nodes] if nodes else [])],
    )


def describe_explanations(run: RunFiles) -> Section:
    """Returns how far the explanations can be relied on."""
    metrics = run.metrics("explain")
    if not metrics:
        return Section("Explanations", missing=run.explain_absence("explain", "reports/explain/index.html"))
    summary = run.read_json("explain", "reports/explain/summary.json") or {}
    sentences = [summary["sentence"]] if summary.get("sentence") else []
    rows = [
        [
            format_name(name),
            format_number(value),
            format_interval(metrics.get(f"{name}_low"), metrics.get(f"{name}_high")),
        ]
        for name, value in metrics.items()
        if not name.endswith(("_low", "_high"))
    ]
    page = run.paths.report_dir("explain") / "index.html"
    links = [Link("explain/index.html", "Explained rows, and how to read them")] if page.is_file() else []
    return Section(
        "Explanations", sentences, [Table("Faithfulness", ("metric", "value", "95 % interval"), rows)], links=links
    )


def describe_limits(run: RunFiles) -> Section:
    """Returns what the numbers of this report do not show."""
    tested, cleaned, limits = run.metrics("test"), run.metrics("clean"), list[str]()
    if "num_rows" in tested:
        limits.append(
            f"All numbers on quality come from {tested['num_rows']:,} test rows of the same source as the train rows. "
            "They say nothing about rows from elsewhere or from another time."
        )
    few = [row["class"] for row in run.read_csv("test", "reports/test/per_class.csv") if float(row["rows"]) < FEW_ROWS]
    if few:
        limits.append(f"Fewer than {FEW_ROWS} test rows: {', '.join(few)}. Their numbers are uncertain.")
    if suspects := cleaned.get("warned_label_error"):
        limits.append(
            f"{suspects:,} labels look wrong to the check label_error and were not changed; nobody has reviewed them."
        )
    if run.metrics("explain").get("deletion_low", 1.0) <= 0:
        limits.append(
            "The explanations are not clearly better than chance: what they show may not be what the model uses."
        )
    if run.card.get("lineage", {}).get("git_dirty"):
        limits.append("The work tree differed from the commit below when the model was trained.")
    return (
        Section("Limits", limits)
        if limits
        else Section("Limits", missing=run.explain_absence("test", "metrics/test.json"))
    )


def describe_origin(run: RunFiles) -> Section:
    """Returns what it takes to make the same model again."""
    if not run.card:
        return Section("Reproduction", missing=run.explain_absence("train", "models/trained"))
    lineage: Json = run.card["lineage"]
    commit = lineage.get("git_commit", "")
    facts = {
        "commit": (commit + (", with changes" if lineage.get("git_dirty") else ", without changes"))
        if commit
        else "unknown",
        "fingerprint of the code": lineage.get("code", ""),
        "training": run.card["training_id"],
        "run in MLflow": run.registered.get("run_id", ""),
        "seed": format_number(run.card["settings"].get("seed")),
        "python": lineage.get("python", ""),
        "platform": lineage.get("platform", ""),
        **lineage.get("packages", {}),
    }
    rows = [[name, str(value)] for name, value in facts.items() if value != ""]
    checkout = [f"git checkout {commit}"] if commit else []
    commands = "; ".join(f"`{command}`" for command in [*checkout, "dvc checkout, or dvc pull", "dvc repro"])
    return Section(
        "Reproduction",
        [f"The same data, code, settings and environment give the same weights: {commands}."],
        [Table("Origin and environment", ("what", "value"), rows, 2)],
    )


def _describe_candidate(name: str, values: Json, choice: Json) -> list[str]:
    is_chosen = name == choice.get("chosen") or (name == "float32" and not choice.get("chosen"))
    failed = "; ".join(values.get("reasons", []))
    verdict = "served" if is_chosen else failed or ("reference" if name == "float32" else "passed")
    quality = next((values[key] for key in ("accuracy", "micro_f1", "r2", "rmse") if key in values), None)
    lost: Json = next((value for key, value in values.items() if key.endswith("_lost")), {})
    ratio = values.get("latency_ratio", {})
    return [
        name,
        verdict,
        format_number(quality),
        _interval(lost),
        format_number(round(values["bytes"] / 1000, 1)) if "bytes" in values else "",
        format_number(values.get("latency_ms")),
        _interval(ratio) if name != "float32" else "1",
    ]


def _interval(value: Json | float) -> str:
    return format_interval(value.get("low"), value.get("high")) if isinstance(value, dict) else format_number(value)


def _join(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else format_number(value)
