"""Register: all -> a version in the MLflow registry, its report, registered.json. Champion only if not worse."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from headrace.config import read_params
from headrace.contracts import Json, Metrics
from headrace.evaluation.comparison import Comparison, compare_outcomes, read_outcomes
from headrace.evaluation.gates.verdicts import GATE_VERDICT, read_report
from headrace.evaluation.metrics.drift import summarize_answers, summarize_rows
from headrace.paths import Paths
from headrace.quantization.selected import OUTCOMES, read_selected_graph
from headrace.report.build import write_report
from headrace.report.model_card import render_description
from headrace.settings.register import Config
from headrace.stages import STAGES
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import WEIGHTS, Bundle, read_bundle
from headrace.storage.lock import wait_for_lock
from headrace.tracking.launch import wait_until_sent
from headrace.tracking.names import encode_name
from headrace.tracking.outbox import hash_file
from headrace.tracking.recorder import record_stages
from headrace.tracking.registry import CHALLENGER, CHAMPION, Registry, Version, make_version_tags
from headrace.tracking.served.champion import ChampionDecision, decide_champion, read_decision
from headrace.tracking.served.outcomes import read_test_answers
from headrace.tracking.served.verification import verify_served_model
from headrace.tracking.serving_package import Candidate, make_card, make_input_example, save_model

STATEMENT = ("intended_use", "out_of_scope", "license", "language")
"""Settings that a person answers for: part of the version, so that others make another version."""
logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Registers the graph that `quantize` selected and `test` measured; raises TrackingError.

    Raises GateError if the served model does not answer as it was tested. After an interruption, the next call
    finishes the version that this one began. A version has its report before it can become the champion, and keeps
    that one.
    """
    record_stages(paths, STAGES[:-1])
    wait_until_sent(paths)
    with wait_for_lock(paths.outbox_dir / "registry.lock"):  # experiments of a queue may run at the same time
        return _register(config, paths, Registry(paths))


def _register(config: Config, paths: Paths, registry: Registry) -> Metrics:
    candidate = _make_candidate(config, paths, registry)
    champion = registry.find_champion(config.name)
    with TemporaryDirectory(prefix="headrace-") as scratch:
        model_dir = Path(scratch) / "model"
        save_model(model_dir, candidate)
        served = verify_served_model(model_dir, paths, candidate.bundle)
        version = registry.register(candidate, model_dir, _read_metrics(paths), served)
    registry.set_alias(version, CHALLENGER)
    is_finished = champion is not None and champion.number == version.number  # an interrupted call went this far
    decision = read_decision(version) if is_finished else _decide(candidate, registry, version, champion, config.margin)
    precision = candidate.tags["precision"]
    registered = {
        "name": config.name,
        "version": version.number,
        "uri": f"models:/{config.name}/{version.number}",
        "run_id": candidate.run_id,
        "precision": precision,
        "aliases": [CHALLENGER, *([CHAMPION] if decision.is_champion else [])],
        "gate": candidate.tags[GATE_VERDICT],
        "champion": {"verdict": decision.verdict, "sentence": decision.sentence},
        "files": registry.find_local_files(version),
    }
    report = write_report(config, paths, registered)
    if not version.description:
        contract = [paths.held_contract_path] if paths.held_contract_path.is_file() else []
        files = (paths.report_path, paths.model_card_path, *contract)
        registry.attach_report(version, render_description(report), files)
    if decision.is_champion and not is_finished:
        registry.make_champion(version, champion)
    write_json(paths.registered_path, registered)
    print(f"register: {version.title}: {decision.sentence}", flush=True)  # noqa: T201
    metrics = {"version": version.number, "is_champion": int(decision.is_champion), "int8": int(precision == "int8")}
    return metrics | decision.metrics | served


def _decide(
    candidate: Candidate, registry: Registry, version: Version, champion: Version | None, margin: float
) -> ChampionDecision:
    """Decides whether the version becomes the champion, and stores why in its tags before it does."""
    comparison, reason = (None, "") if champion is None else _compare(candidate, registry, champion)
    decision = decide_champion(version, champion, comparison, margin=margin, reason=reason)
    registry.set_tags(version, decision.to_tags())
    return decision


def _read_metrics(paths: Paths) -> dict[str, Metrics]:
    """The metrics of every stage before this one, which belong to the version."""
    metrics_paths = {stage: paths.metrics_path(stage) for stage in STAGES[:-1]}
    return {stage: json.loads(path.read_bytes()) for stage, path in metrics_paths.items() if path.is_file()}


def _make_candidate(config: Config, paths: Paths, registry: Registry) -> Candidate:
    bundle, selected = read_bundle(paths.trained_dir), read_selected_graph(paths)
    tested = json.loads(paths.metrics_path("test").read_bytes())
    card = make_card(bundle, selected.calibration)
    return Candidate(
        config.name,
        registry.find_run(bundle.card.training_id),
        bundle,
        graph=selected.path,
        card=card,
        example=make_input_example(bundle, open_arrays(paths.normalized_dir / "val").inputs),
        tags=make_version_tags(bundle, selected.precision, tested)
        | {encode_name(name): text for name, text in read_report(paths.report_dir("quantize")).to_tags().items()},
        outcomes={
            "test": read_test_answers(paths.report_dir("test") / "predictions.parquet"),
            "val": read_outcomes(paths.report_dir("quantize") / OUTCOMES),
        },
        reference=_make_reference(card, paths),
        record=_make_record(bundle, paths),
        statement=config.model_dump(include=set(STATEMENT), exclude_defaults=True),
    )


def _make_record(bundle: Bundle, paths: Paths) -> Json:
    """The origin of the model, for `headrace compare`, `lineage` and `reproduce`."""
    settings = {name: section for name, section in read_params(paths.params_path).items() if name in STAGES}
    code = json.loads(paths.code_path.read_bytes()) if paths.code_path.is_file() else {}
    return {
        "settings": {**settings, "train": bundle.card.settings},
        "lineage": bundle.card.lineage,
        "code": code,
        "weights": hash_file(bundle.folder / WEIGHTS),
        "metrics": _read_metrics(paths),
    }


def _make_reference(card: Json, paths: Paths) -> Json:
    """What `headrace predict --drift` compares new rows with."""
    answers = pq.read_table(paths.report_dir("test") / "predictions.parquet")
    columns = {"classification": {"label": "predicted", "confidence": "confidence"}}.get(card["task"], {})
    if card["task"] == "regression" and not card["targets"]:
        columns = {"prediction": "predicted"}
    return {
        "inputs": summarize_rows(open_arrays(paths.normalized_dir / "train").inputs, card),
        "answers": summarize_answers({name: answers[source].to_numpy() for name, source in columns.items()}),
    }


def _compare(candidate: Candidate, registry: Registry, champion: Version) -> tuple[Comparison | None, str]:
    """Compares the graphs of champion and challenger by their outcomes on the test rows; or says why that fails."""
    if not registry.has_files(champion):
        logger.warning(
            "registry: the champion, %s, has lost its files (its logged model was deleted), and cannot be served; give "
            "the alias champion to another version in `headrace ui`, or delete this one",
            champion.title,
        )
    outcomes = registry.download_outcomes(champion, "test")
    comparison = None if outcomes is None else compare_outcomes(outcomes, candidate.outcomes["test"])
    if comparison is not None:
        return comparison, ""
    reason = "has no stored answers to test rows" if outcomes is None else "has another task"
    logger.warning("registry: the champion, %s, %s; the models are not compared", champion.title, reason)
    return None, reason
