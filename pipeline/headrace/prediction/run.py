"""Predicts every row of an input by a registered model: streams, goes on after a kill, writes one file at the end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headrace.cluster.batch_engine import EngineName
from headrace.cluster.stream_engine import open_stream_engine
from headrace.contracts import Json
from headrace.data.sources.fetch import fetch
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError, HeadraceError, Terminated
from headrace.evaluation.metrics.drift import Difference, compare_counts
from headrace.paths import Paths
from headrace.prediction.answer_parts import AnswerParts, list_parts
from headrace.prediction.chunk_answers import AnswerChunk, ChunkAnswers
from headrace.prediction.input_chunks import Chunk
from headrace.prediction.input_rows import InputOptions, InputRows, open_input
from headrace.prediction.registered_model import RegisteredModel, find_model, open_model
from headrace.storage.atomic import write_json
from headrace.storage.lock import exclusive_lock
from headrace.terminal import progress_bar

SUFFIXES = (".parquet", ".csv")
BYTES_PER_FILE = 2 * 2**10
"""Added to a file's size where it decides how many processes work: opening and decoding a small image takes 0.3 ms."""


@dataclass(frozen=True)
class PredictRequest:
    """What `headrace predict` was given."""

    source: str
    output: Path
    model: str | None = None
    engine: EngineName = "auto"
    is_strict: bool = False
    has_drift: bool = False
    column: str | None = None
    copied: tuple[str, ...] = ()
    query: str | None = None


@dataclass(frozen=True)
class PredictResult:
    """What was done."""

    version: str
    num_rows: int
    num_set_aside: int
    num_resumed: int
    """Rows that an earlier, interrupted run had answered."""
    example: str
    """The first row that this run set aside, and why."""
    drift: list[Difference]


def run_prediction(request: PredictRequest, paths: Paths) -> PredictResult:
    """Writes an answer for each row to `request.output`; raises a HeadraceError."""
    output = request.output
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"-o: {str(output)!r}; must end in {' or '.join(SUFFIXES)}")
    work_dir = output.with_name(f".{output.name}.headrace").absolute()
    with exclusive_lock(work_dir / "lock", f"a prediction of {output}"), _removing_without_parts(work_dir):
        model = open_model(find_model(request.model, paths, work_dir / "model"))
        if request.has_drift and model.reference is None:
            raise DataError(f"--drift: {model.version} has no statistics of its train rows; register it again")
        with _name_input():
            cache_dir = _cache_dir(paths, work_dir)
            path = fetch(request.source, Path.cwd(), cache_dir)
            options = _make_options(request, model, paths, is_copy=path.is_relative_to(cache_dir))
            opened = open_input(path, options)
            return _answer(request, paths, model, opened, work_dir)


@contextmanager
def _removing_without_parts(work_dir: Path) -> Iterator[None]:
    """Removes the folder after an error, unless it has answers that the same command goes on from."""
    try:
        yield
    except BaseException:
        if not list_parts(work_dir):
            shutil.rmtree(work_dir, ignore_errors=True)
        raise


def _answer(
    request: PredictRequest, paths: Paths, model: RegisteredModel, opened: InputRows, work_dir: Path
) -> PredictResult:
    num_bytes = sum(path.stat().st_size + BYTES_PER_FILE for path in opened.files)
    parts = AnswerParts(work_dir, _make_key(request, model, opened))
    num_resumed, example = parts.num_rows, ""
    with (
        open_stream_engine(request.engine, num_bytes, paths) as engine,
        progress_bar("predict", opened.num_rows, "rows") as update,
    ):
        work = AnswerChunk(model.folder, engine.num_threads, request.has_drift)
        try:
            for answers in engine(work, _skip_rows(opened.chunks, num_resumed)):
                example = example or _find_example(answers)
                if request.is_strict and answers.num_set_aside:
                    parts.remove()
                    raise DataError(f"--strict: {example}; fix the row, or leave --strict out")
                parts.add(answers)
                update(parts.num_rows)
        except Terminated as stop:
            parts.flush()
            stop.add_note(f"{parts.num_rows:,} rows are answered; the same command goes on from there")
            raise
    if not parts.num_rows:
        raise DataError(f"{request.source!r}: holds no rows; give an input that has some")
    differences = _compare(model, parts) if request.has_drift else []
    result = PredictResult(model.version, parts.num_rows, parts.num_set_aside, num_resumed, example, differences)
    if request.has_drift:
        write_json(_drift_path(request.output), _describe_drift(result))
    parts.join(request.output)
    return result


def _drift_path(output: Path) -> Path:
    return output.with_suffix(".drift.json")


def _describe_drift(result: PredictResult) -> Json:
    return {
        "version": result.version,
        "rows": result.num_rows - result.num_set_aside,
        "set_aside": result.num_set_aside,
        "columns": [difference._asdict() for difference in result.drift],
    }


def _compare(model: RegisteredModel, parts: AnswerParts) -> list[Difference]:
    """The columns of the input, then those of the answers; the most shifted first."""
    reference = model.reference or {}
    pairs = [(kind, histogram) for kind in ("input", "answer") for histogram in reference.get(f"{kind}s", [])]
    differences = [
        compare_counts(histogram, np.array(parts.counts[f"{kind} {histogram['name']}"]), kind, len(pairs))
        for kind, histogram in pairs
    ]
    return sorted(differences, key=lambda difference: (difference.kind != "input", -difference.psi))


def _skip_rows(chunks: Iterator[Chunk], num_rows: int) -> Iterator[Chunk]:
    """The chunks after the rows that are answered; parts end where chunks end."""
    return (chunk for chunk in chunks if chunk.first_row >= num_rows)


def _find_example(answers: ChunkAnswers) -> str:
    if not answers.num_set_aside:
        return ""
    reasons, sources = (answers.table.column(name).to_pylist() for name in ("reason", "source"))
    return next(f"{source}: {reason}" for source, reason in zip(sources, reasons, strict=True) if reason)


def _make_key(request: PredictRequest, model: RegisteredModel, opened: InputRows) -> str:
    """What the answers depend on: another input, model or option begins anew."""
    stats = [(str(path), *_describe_file(path)) for path in opened.files]
    checksums = (model.folder / "artifacts" / "checksums.json").read_text(encoding="utf-8")
    options = (request.column, request.copied, request.has_drift, request.is_strict, request.query)
    parts = [model.version, checksums, request.source, options, stats]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _describe_file(path: Path) -> tuple[int, int]:
    stat = os.stat(path)  # noqa: PTH116 - there may be many
    return stat.st_size, stat.st_mtime_ns


def _make_options(request: PredictRequest, model: RegisteredModel, paths: Paths, *, is_copy: bool) -> InputOptions:
    """`is_copy`: the input was downloaded or unpacked, so that its tables may not name files elsewhere."""
    card = model.card
    names: list[str] = model.load_encoder().columns
    if card["modality"] == "table" and request.column:
        raise ConfigError(f"--column {request.column}: this model takes the columns {names[:5]}; leave the option out")
    columns = names if card["modality"] == "table" else [request.column or card.get("input_column") or names[0]]
    read = _read_project_options(paths)
    read = read.model_copy(
        update={
            "source": request.source,
            "query": request.query,
            "table": read.table.model_copy(update={"missing": card.get("missing") or [""]}),
            "allow_outside": read.allow_outside and not is_copy,
        }
    )
    return InputOptions(card["modality"], columns, names, read, request.copied)


def _read_project_options(paths: Paths) -> ReadOptions:
    """The format of text tables, and what tables may name, in the project's settings; the defaults without one."""
    if not paths.params_path.is_file():
        return ReadOptions()
    from headrace.config import read_params, validate_section

    section = read_params(paths.params_path).get("ingest") or {}
    shared = {key: section[key] for key in ("table", "allow_outside", "allow_private_addresses") if key in section}
    return validate_section(ReadOptions, shared, "ingest")


def _cache_dir(paths: Paths, work_dir: Path) -> Path:
    """Where downloads and unpacked archives are: those of a project are there for the next run too."""
    return paths.state_dir / "sources" if paths.params_path.is_file() else work_dir / "sources"


@contextmanager
def _name_input() -> Iterator[None]:
    """Replaces the key of `params.yaml` in the errors of readers, which `ingest` shares."""
    try:
        yield
    except HeadraceError as error:
        text = (
            str(error)
            .replace("params.yaml: ingest.source: ", "input ", 1)
            .replace("params.yaml: ingest.query", "--query", 1)
        )
        raise type(error)(text) from error
