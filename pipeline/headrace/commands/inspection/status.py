"""`headrace status`: rows by stage, quality of the model, and where to inspect the results."""

from __future__ import annotations

import json
import os
from collections import Counter

from headrace.contracts import Json, Metrics
from headrace.data.sources.linked_folders import describe_links, find_links, find_unwatched_links
from headrace.errors import DataError, TrackingError
from headrace.paths import CONTRACT, Paths
from headrace.stages import STAGES
from headrace.tracking.database import relocate_artifacts
from headrace.tracking.outbox import find_outboxes
from headrace.tracking.uri import REGISTRY, SERVERS, remove_credentials, tracking_uri

Row = tuple[str, str]
CONTRACT_ACTIONS = {"quarantined": "drop", "repaired": "repair", "warned": "warn"}
"""First word of the metrics of `clean` -> the action of the rules that it counts rows of."""
MAX_RULES = 5
"""Rules that did not pass which are shown."""


def show_status(paths: Paths, *, as_json: bool = False) -> None:
    """Prints the results so far as a short table; or, for programs, lines, metrics and the version as JSON."""
    metrics = {stage: read_metrics(paths, stage) for stage in STAGES}
    rows = make_rows(metrics, paths) or [("nothing yet", "dvc repro runs the pipeline")]
    rows = _relocate(paths) + rows + point_to_report(metrics)
    if as_json:
        print(json.dumps(describe_status(rows, metrics, paths), indent=2))  # noqa: T201
    else:
        _print_table(rows)


def describe_status(rows: list[Row], metrics: dict[str, Metrics], paths: Paths) -> Json:
    """Returns the stages that have run with their metrics, the registered version (or null), and the table's lines."""
    registered = json.loads(paths.registered_path.read_bytes()) if paths.registered_path.is_file() else None
    return {
        "stages": {stage: values for stage, values in metrics.items() if values},
        "registered": registered,
        "registry": remove_credentials(_registry_uri(paths)),
        "lines": [" ".join(f"{name} {value}".split()) for name, value in rows],
    }


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows:
        table.add_row(f"[bold]{name}", value)
    Console(highlight=False).print(table)


def _registry_uri(paths: Paths) -> str:
    return os.environ.get(REGISTRY) or tracking_uri(paths)


def _relocate(paths: Paths) -> list[Row]:
    """Repairs the registry of a project that was moved; returns why not, if that fails."""
    try:
        relocate_artifacts(paths)
    except TrackingError as error:
        return [("registry", str(error))]
    return []


def read_metrics(paths: Paths, stage: str) -> Metrics:
    """Reads the metrics of a stage, empty if it has not run; raises DataError if they are unreadable."""
    path = paths.metrics_path(stage)
    try:
        metrics: Metrics = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force {stage}") from None
    return metrics


def make_rows(metrics: dict[str, Metrics], paths: Paths) -> list[Row]:
    """Returns name and value of each line, for the stages that have run."""
    rows: list[Row] = []
    if metrics["ingest"] and metrics["clean"]:
        rows.append(("rows", f"{metrics['ingest']['rows']:,} in, {metrics['clean']['quarantined']:,} quarantined"))
    rows += _contract(metrics["clean"], paths)
    if split := metrics["split"]:
        rows.append(("split", f"{split['train']:,} train, {split['val']:,} validation, {split['test']:,} test"))
    if "epsilon" in (train := metrics["train"]):
        epsilon, delta = train["epsilon"], train["delta"]
        rows.append(("privacy", f"epsilon {epsilon:.2f} at delta {delta:.1e} of the train rows (docs/privacy.md)"))
    rows += _gate(paths)
    if test := metrics["test"]:
        rows.append(_tested(test))
        if metrics["quantize"].get("passed"):
            rows.append(("", f"{_quality(test, 'fp32')} with the float32 graph, on the same rows"))
        rows += _baseline(paths)
    if quantize := metrics["quantize"]:
        rows += _quantized(quantize, "an image" if _is_of_images(paths) else "a row") + _dominated(paths)
    return rows + _registered(paths) + _unsent(paths) + _unwatched(paths)


def _contract(clean: Metrics, paths: Paths) -> list[Row]:
    """What the contract did to the rows, and whether it was edited since."""
    if not paths.held_contract_path.is_file():
        return []
    counts = {verb: clean.get(f"{verb}_contract_{action}", 0) for verb, action in CONTRACT_ACTIONS.items()}
    text = ", ".join(f"{count:,} rows {verb}" for verb, count in counts.items() if count) or "no row breaks it"
    held, path = paths.held_contract_path.read_bytes(), paths.contract_path
    note = "" if path.is_file() and path.read_bytes() == held else "; it was edited since: dvc repro"
    return [("contract", f"{CONTRACT}: {text}{note}")]


def _gate(paths: Paths) -> list[Row]:
    """The verdicts on the graph that is served, or on the float32 one before there is another; what did not pass."""
    found = [path for stage in ("quantize", "validate") if (path := paths.report_dir(stage) / "gates.json").is_file()]
    rules = json.loads(found[0].read_bytes())["rules"] if found else []
    if not rules:
        return []
    verdicts = Counter(rule["verdict"] for rule in rules)
    numbers = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
    others = [rule for rule in rules if rule["verdict"] != "passed"][:MAX_RULES]
    return [("gate", numbers), *(("", _describe_rule(rule)) for rule in others)]


def _describe_rule(rule: Json) -> str:
    part = f" of {rule['slice']['column']}={rule['slice']['value']}" if rule["slice"] else ""
    value = "" if rule["value"] is None else f" {rule['value']:.4g}"
    interval = "" if rule["low"] is None or rule["high"] is None else f" ({rule['low']:.4g} to {rule['high']:.4g})"
    key = rule["rule"].removeprefix("validate.gate.")
    return f"{rule['verdict']}: {key} {rule['limit']:g}, {rule['metric']}{part}{value}{interval}, {rule['rows']:,} rows"


def _is_of_images(paths: Paths) -> bool:
    folders = (paths.normalized_dir, paths.clean_dir, paths.raw_dir)
    path = next((path for folder in folders if (path := folder / "spec.json").is_file()), None)
    return path is not None and json.loads(path.read_bytes()).get("modality") == "image"


def _tested(test: Metrics) -> Row:
    if "micro_f1" in test:
        details = f"{test['accuracy']:.2%} of all labels are right, {test['exact_match']:.2%} of the rows entirely"
        if "micro_f1_low" in test:  # not in the metrics of earlier versions
            details = f"95 % interval {test['micro_f1_low']:.4f} to {test['micro_f1_high']:.4f}; {details}"
        return "micro F1", f"{test['micro_f1']:.4f} on test rows ({details})"
    if "accuracy" in test:
        interval = f"95 % interval {test['accuracy_low']:.2%} to {test['accuracy_high']:.2%}"
        return "accuracy", f"{test['accuracy']:.2%} on test rows ({interval})"
    interval = f"95 % interval {test['rmse_low']:.4g} to {test['rmse_high']:.4g}"
    return "error", f"{test['rmse']:.4g} (root mean square) on test rows ({interval}), R2 {test['r2']:.4f}"


def _baseline(paths: Paths) -> list[Row]:
    """The best simple model, and how the network compares with it."""
    path = paths.report_dir("test") / "baselines.json"
    try:
        report: Json = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force test") from None
    if not report.get("best"):
        return []
    best = next(entry for entry in report["baselines"] if entry["short_name"] == report["best"])
    value = _quality({f"best_{report['metric']}": best["value"]}, "best")
    return [("baseline", f"{value} with {best['name']}, on the same rows"), ("", report["sentence"])]


def _quantized(quantize: Metrics, unit: str) -> list[Row]:
    def line(kind: str) -> str:
        return (
            f"{_quality(quantize, kind)} on validation rows, {quantize[f'{kind}_bytes'] / 1000:,.0f} kB, "
            f"{quantize[f'{kind}_latency_ms']:.3f} ms {unit}"
        )

    no_int8 = "float32 is served: models/quantized/choice.json says why"
    return [("fp32", line("fp32")), ("int8", line("int8") if quantize.get("passed") else no_int8)]


def _dominated(paths: Paths) -> list[Row]:
    """The candidates that another graph dominates; the table is in `choice.json`."""
    path = paths.quantized_dir / "choice.json"
    choice = json.loads(path.read_bytes()) if path.is_file() else {}
    pairs = [f"{row['name']} by {row['dominated_by']}" for row in choice.get("pareto", ()) if row["dominated_by"]]
    return [("dominated", f"{', '.join(pairs)}, in size, time and quality")] if pairs else []


def _quality(metrics: Metrics, kind: str) -> str:
    for metric, label in (("r2", "R2"), ("micro_f1", "micro F1")):
        if f"{kind}_{metric}" in metrics:
            return f"{label} {metrics[f'{kind}_{metric}']:.4f}"
    return f"{metrics[f'{kind}_accuracy']:.2%}"


def _registered(paths: Paths) -> list[Row]:
    if not paths.registered_path.is_file():
        return []
    version = json.loads(paths.registered_path.read_bytes())
    return [
        (
            "registered",
            f"{version['name']} version {version['version']}, {version['precision']} ({', '.join(version['aliases'])})",
        ),
        *([("", version["champion"]["sentence"])] if "champion" in version else []),
        *_last_act(version["name"], paths),
        *_lost_files(version, paths),
        _inspect(version, paths),
    ]


def _inspect(version: Json, paths: Paths) -> Row:
    """Where a browser shows the version: its page on a server, or the command that serves the project's registry."""
    uri = _registry_uri(paths)
    if uri.partition(":")[0] not in SERVERS:
        return "inspect it", "headrace ui              runs and registry in a browser"
    page = f"{remove_credentials(uri).rstrip('/')}/#/models/{version['name']}/versions/{version['version']}"
    return "inspect it", page


def _last_act(name: str, paths: Paths) -> list[Row]:
    """The last `headrace promote` or `rollback` from this project, if `register` has not run since."""
    path = paths.tracking_root / ".headrace" / "champions.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    acts = [act for act in map(json.loads, lines) if act["name"] == name]
    if not acts or path.stat().st_mtime < paths.registered_path.stat().st_mtime:
        return []
    act = acts[-1]
    verb, reason = act["act"].replace("_", " "), f": {act['reason']}" if act["reason"] else ""
    return [("champion", f"version {act['version']}, {verb} by {act['user']} at {act['time']}{reason}")]


def point_to_report(metrics: dict[str, Metrics]) -> list[Row]:
    """Returns where the page of the run is, or, if not all stages have run, what writes it."""
    if all(metrics[stage] for stage in STAGES):
        return [("report", "reports/index.html       the whole run on one page, without network")]
    if any(metrics.values()):
        return [("report", "headrace report          writes reports/index.html from what is there")]
    return []


def _lost_files(version: Json, paths: Paths) -> list[Row]:
    """What to do if the project's own registry has the version, but no longer its model."""
    folder = version.get("files")
    if not folder or not (paths.tracking_root / "mlflow.db").is_file():
        return []  # the registry is elsewhere
    if (paths.tracking_root / folder / "MLmodel").is_file():
        return []
    return [
        ("", "its files are gone, so it cannot predict; register it again: dvc repro --force --single-item register")
    ]


def _unsent(paths: Paths) -> list[Row]:
    """How much MLflow lacks."""
    number = sum(len(outbox.read_pending()) for outbox in find_outboxes(paths))
    return [("not in MLflow yet", f"{number:,} events; headrace sync sends them")] if number else []


def _unwatched(paths: Paths) -> list[Row]:
    """Linked folders in the source, in which new files leave `dvc repro` up to date."""
    spec_path = paths.raw_dir / "spec.json"
    source = json.loads(spec_path.read_bytes())["source"] if spec_path.is_file() else ""
    if not source or not find_links(source, paths.root):
        return []
    from headrace.config import list_dvc_deps  # a third of a second, which few projects need

    links = find_unwatched_links(source, list_dvc_deps(paths.root / "dvc.yaml", "ingest") or [], paths.root)
    return [("source", describe_links(links))] if links else []
