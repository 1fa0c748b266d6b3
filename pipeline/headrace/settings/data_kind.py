"""Checks that settings are for the modality and task of the data, as soon as these are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from headrace.config import Section
from headrace.contracts import ModalityName, Spec, TaskName
from headrace.data.cleaning.checks import ALL_MODALITIES, CHECKS, find_severity_mistakes
from headrace.data.datasets import BUILT_INS
from headrace.errors import DataError, choices
from headrace.evaluation.gates.bounds import find_gate_mistakes, find_slice_mistakes, list_slice_columns
from headrace.models import MODELS, OWN_CLASS, TEXT_ENCODER, models_for
from headrace.paths import Paths
from headrace.settings import clean, ingest, tune, validate
from headrace.tasks import TASKS
from headrace.training.settings import TrainSettings

DataKind: TypeAlias = tuple[ModalityName, TaskName | None]
"""The task is None until it is known."""
ALL_TASKS: tuple[TaskName, ...] = ("classification", "multilabel", "regression")
NOUNS: dict[ModalityName, str] = {"image": "images", "table": "tables", "text": "texts"}
FORMAT_MODALITIES: dict[str, ModalityName] = {
    "folder": "image",
    "idx": "image",
    "cifar": "image",
    "text_folder": "text",
}
"""Formats that have only one modality; a table may hold texts, or paths of images."""


class Scope(NamedTuple):
    """The data that a setting is for."""

    modalities: tuple[ModalityName, ...] = ALL_MODALITIES
    tasks: tuple[TaskName, ...] = ALL_TASKS


SCOPES: dict[str, Scope] = {
    "normalize.image_size": Scope(("image",)),
    "normalize.image_range": Scope(("image",)),
    "normalize.resize": Scope(("image",)),
    "normalize.text": Scope(("text", "table")),
    "normalize.table": Scope(("table",)),
    "train.sampling": Scope(tasks=("classification",)),
    "train.class_weights": Scope(tasks=("classification", "multilabel")),
    "train.label_smoothing": Scope(tasks=("classification", "multilabel")),
    "train.memory_format": Scope(("image",)),
    "train.augmentation": Scope(("image",)),
    "train.mixup": Scope(("image", "table")),
    "train.cutmix": Scope(("image",)),
    "train.token_dropout": Scope(("text", "table")),
    "train.feature_dropout": Scope(("table",)),
    "validate.target_accuracy": Scope(tasks=("classification",)),
    "test.noise_sigmas": Scope(("image",), ("classification",)),
}
"""Key -> the only data that it is for; all other keys are for any."""
TEXT_KEYS = ("normalize.text", "train.token_dropout")
"""Keys that are for texts, and for tables with a column of them."""
NO_TEXTS = "is for tables with a column of texts, and there is none; remove it, or set ingest.columns: {NAME: text}"


def find_data_kind(sections: Mapping[str, Section], paths: Paths, *, has_ingested: bool) -> DataKind | None:
    """Returns modality and task as far as they are known without reading the source.

    `has_ingested`: `data/raw` is the result of the current settings.
    """
    config = sections.get("ingest")
    if not isinstance(config, ingest.Config):
        return None
    if has_ingested:
        spec = read_ingested_spec(paths)
        return (spec.modality, spec.task) if spec else None
    name = config.format if config.format in BUILT_INS else config.source
    if name in BUILT_INS and config.format in {"auto", name}:
        task = config.task if config.task != "auto" else BUILT_INS[name].task
        return BUILT_INS[name].modality, None if config.target else task
    if config.format in FORMAT_MODALITIES:
        return FORMAT_MODALITIES[config.format], None if config.task == "auto" else config.task
    return None


def read_ingested_spec(paths: Paths) -> Spec | None:
    """Returns the description of `data/raw`; None if there is none: the stage that needs it reports it."""
    try:
        return Spec.read(paths.raw_dir)
    except DataError:
        return None


def find_scope_mistakes(sections: Mapping[str, Section], kind: DataKind) -> list[str]:
    """Returns a clause, with the full key, for each setting that is for other data."""
    modality, task = kind
    mistakes = [
        f"{key}: {_describe_scope(SCOPES[key], modality, task)}; remove it"
        for key in SCOPES
        if _is_set(sections, key) and not _fits(SCOPES[key], modality, task)
    ]
    for section in sections.values():
        match section:
            case clean.Config():
                mistakes += _find_check_mistakes(section, modality, task)
            case tune.Config():
                mistakes += _find_search_mistakes(section, modality, task)
            case TrainSettings():
                if section.model_fields_set:  # without the section, a project may be about cleaning only
                    mistakes += _find_model_mistakes("train.model.name", str(section.model["name"]), modality)
                mistakes += _find_loss_mistakes("train.loss", section.loss, task)
            case validate.Config() if task:
                mistakes += find_gate_mistakes(section.gate, [task], "validate.gate")
    return mistakes


def find_column_mistakes(sections: Mapping[str, Section], spec: Spec) -> list[str]:
    """Returns a clause, with the full key, for each setting about a column, or a kind of it, that the data lack."""
    is_table = spec.modality == "table"
    has_text_column = is_table and any(column.kind == "text" for column in spec.columns)
    mistakes = _find_text_mistakes(sections) if is_table and not has_text_column else []
    train, section = sections.get("train"), sections.get("validate")
    if isinstance(train, TrainSettings) and TEXT_ENCODER in train.model and not has_text_column:
        mistakes.append(f"train.model.{TEXT_ENCODER}: {NO_TEXTS}")
    if isinstance(section, validate.Config):
        mistakes += find_slice_mistakes(section.gate, list_slice_columns(spec), "validate.gate")
    return mistakes


def _find_text_mistakes(sections: Mapping[str, Section]) -> list[str]:
    """Returns a clause for each setting that is for texts, given a table without a column of them."""
    section = sections.get("clean")
    checks = section.checks if isinstance(section, clean.Config) else ()
    keys = [key for key in TEXT_KEYS if _is_set(sections, key)]
    keys += [f"clean.checks.{name}" for name in checks if CHECKS[name].column_kind == "text"]
    return [f"{key}: {NO_TEXTS}" for key in keys]


def _is_set(sections: Mapping[str, Section], key: str) -> bool:
    """Whether `params.yaml` sets a key to something else than its default, or, for lists, to any values at all."""
    name, _, field = key.partition(".")
    section = sections.get(name)
    if section is None or field not in section.model_fields_set:
        return False
    value = getattr(section, field)
    return bool(value) if isinstance(value, list) else value != type(section).model_fields[field].default


def _fits(scope: Scope, modality: ModalityName, task: TaskName | None) -> bool:
    return modality in scope.modalities and (task is None or task in scope.tasks)


def _describe_scope(scope: Scope, modality: ModalityName, task: TaskName | None) -> str:
    if modality not in scope.modalities:
        return f"is for {' and '.join(NOUNS[name] for name in scope.modalities)}, and the modality is {modality}"
    return f"is for {' and '.join(scope.tasks)}, and the task is {task}"


def _find_check_mistakes(section: clean.Config, modality: ModalityName, task: TaskName | None) -> Iterator[str]:
    for name in section.checks:
        scope = Scope(CHECKS[name].modalities)
        if not _fits(scope, modality, task):
            yield f"clean.checks.{name}: {_describe_scope(scope, modality, task)}; remove it"
    if task:
        yield from find_severity_mistakes(section.checks, modality, task)


def _find_search_mistakes(section: tune.Config, modality: ModalityName, task: TaskName | None) -> Iterator[str]:
    for key in section.space:
        scope = SCOPES.get(f"train.{key}", Scope())
        if not _fits(scope, modality, task):
            yield f"tune.space.{key}: {_describe_scope(scope, modality, task)}; remove it"
    for key, name in section.list_model_names():
        yield from _find_model_mistakes(key, name, modality)
    for loss in (section.space["loss"].choices or []) if "loss" in section.space else []:
        yield from _find_loss_mistakes("tune.space.loss", loss, task)
    allowed = [f"val_{name}" for name in ("loss", *TASKS[task].metric_names)] if task else [section.metric]
    if section.metric not in allowed:
        yield f"tune.metric: {section.metric!r} is not a metric of {task}; {choices(section.metric, allowed)}"


def _find_loss_mistakes(key: str, loss: Any, task: TaskName | None) -> Iterator[str]:
    if task and loss not in TASKS[task].losses:
        yield f"{key}: {loss!r} is not a loss for {task}; {choices(str(loss), TASKS[task].losses)}"


def _find_model_mistakes(key: str, name: str, modality: ModalityName) -> Iterator[str]:
    allowed = models_for(modality)
    if name in MODELS and name not in allowed:
        yield f"{key}: {name!r} is not a model for {modality} data; {choices(name, allowed)}, or {OWN_CLASS}"
