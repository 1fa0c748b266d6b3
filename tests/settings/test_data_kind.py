from pathlib import Path
from typing import Any

import pytest

from headrace.config import Section, validate_sections
from headrace.contracts import Column, ModalityName, Spec, TaskName
from headrace.paths import Paths
from headrace.settings.data_kind import (
    SCOPES,
    DataKind,
    find_column_mistakes,
    find_data_kind,
    find_scope_mistakes,
    read_ingested_spec,
)
from headrace.settings.load import SECTIONS

FITTING_MODELS: dict[ModalityName, str] = {"image": "cnn", "table": "mlp", "text": "text_mean"}


def sections_of(**params: dict[str, Any]) -> dict[str, Section]:
    sections, mistakes = validate_sections(params, SECTIONS)
    assert mistakes == []
    return sections


def find_mistakes(modality: ModalityName, task: TaskName | None, **params: dict[str, Any]) -> list[str]:
    train = {"model": {"name": FITTING_MODELS[modality]}} | params.pop("train", {})
    return find_scope_mistakes(sections_of(train=train, **params), (modality, task))


@pytest.mark.parametrize(
    ("ingest", "kind"),
    [
        ({"source": "wine"}, ("table", "classification")),
        ({"source": "diabetes"}, ("table", "regression")),
        ({"source": "imdb"}, ("text", "classification")),
        ({"source": "adult", "target": "age"}, ("table", None)),
        ({"source": "adult", "task": "multilabel"}, ("table", "multilabel")),
        ({"source": "copies", "format": "cifar10"}, ("image", "classification")),
        ({"source": "mnist5k", "format": "table"}, None),
        ({"source": "photos", "format": "folder"}, ("image", None)),
        ({"source": "letters", "format": "text_folder", "task": "classification"}, ("text", "classification")),
        ({"source": "a.csv"}, None),
    ],
)
def test_find_data_kind_without_reading_the_source(
    tmp_path: Path, ingest: dict[str, Any], kind: DataKind | None
) -> None:
    assert find_data_kind(sections_of(ingest=ingest), Paths(tmp_path), has_ingested=False) == kind


@pytest.mark.parametrize("modality", FITTING_MODELS)
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_default_settings_are_for_any_data(modality: ModalityName, task: TaskName) -> None:
    assert find_mistakes(modality, task) == []


@pytest.mark.parametrize(
    ("modality", "task", "params", "message"),
    [
        ("table", None, {"normalize": {"image_size": 28}}, "normalize.image_size: is for images, and the modality is"),
        ("text", None, {"normalize": {"resize": "crop"}}, "normalize.resize: is for images, and the modality is text"),
        ("image", None, {"normalize": {"text": {"max_tokens": 9}}}, "normalize.text: is for texts and tables, and "),
        ("image", None, {"normalize": {"table": {"scaling": "none"}}}, "normalize.table: is for tables, and the moda"),
        ("text", None, {"train": {"mixup": 0.2}}, "train.mixup: is for images and tables, and the modality is text;"),
        ("table", None, {"train": {"augmentation": [{"name": "D4"}]}}, "train.augmentation: is for images, and the"),
        ("table", None, {"train": {"memory_format": "auto"}}, "train.memory_format: is for images, and the modality"),
        ("table", None, {"train": {"model": {"name": "cnn"}}}, "train.model.name: 'cnn' is not a model for table da"),
        ("table", None, {"test": {"noise_sigmas": [8]}}, "test.noise_sigmas: is for images, and the modality is tab"),
        ("image", None, {"clean": {"checks": {"markup": "off"}}}, "clean.checks.markup: is for texts and tables, "),
        ("image", None, {"tune": {"space": {"token_dropout": {"low": 0.0, "high": 0.5}}}},
         "tune.space.token_dropout: is for texts and tables, and the modality is image; remove it"),
        ("image", None, {"tune": {"space": {"model.name": {"choices": ["cnn", "rnn"]}}}},
         "tune.space.model.name: 'rnn' is not a model for image data; choose one of ['cnn',"),
        ("image", "multilabel", {"test": {"noise_sigmas": [8]}}, "test.noise_sigmas: is for classification, and the"),
        ("table", "regression", {"train": {"sampling": "balanced"}}, "train.sampling: is for classification, and th"),
        ("table", "regression", {"train": {"label_smoothing": 0.1}},
         "train.label_smoothing: is for classification and multilabel, and the task is regression; remove it"),
        ("table", "regression", {"train": {"loss": "bce"}}, "train.loss: 'bce' is not a loss for regression; choose"),
        ("table", "multilabel", {"tune": {"space": {"loss": {"choices": ["auto", "mse"]}}}},
         "tune.space.loss: 'mse' is not a loss for multilabel; choose one of ['auto', 'bce', 'focal']"),
        ("table", "multilabel", {"tune": {"space": {"loss": {"choices": [3]}}}}, "tune.space.loss: 3 is not a loss"),
        ("image", "classification", {"tune": {"metric": "val_mae"}},
         "tune.metric: 'val_mae' is not a metric of classification; choose one of ['val_accuracy', 'val_loss']"),
        ("table", "regression", {"validate": {"gate": {"accuracy": {"min": 1}}}},
         "validate.gate.accuracy: no such metric; choose one of ['baseline_best', "),
        ("image", "classification", {"validate": {"gate": {"slices": {"column": "class", "min": 1, "metric": "r2"}}}},
         "validate.gate.slices.0.metric: no such metric; choose one of ['accuracy', 'accuracy_high',"),
        ("image", "classification", {"clean": {"checks": {"undecodable": "warn"}}},
         "clean.checks.undecodable.severity: got 'warn'; must be drop or error for images"),
    ],
)  # fmt: skip
def test_setting_for_other_data_is_a_mistake(
    modality: ModalityName, task: TaskName | None, params: dict[str, Any], message: str
) -> None:
    (mistake,) = find_mistakes(modality, task, **params)
    assert mistake.startswith(message)


def test_setting_that_is_off_is_for_any_data() -> None:
    params = {
        "normalize": {"image_size": None},
        "train": {"augmentation": [], "mixup": 0.0},
        "test": {"noise_sigmas": []},
    }
    assert find_mistakes("text", "regression", **params) == []


def test_slice_by_a_column_that_the_data_lack_is_a_mistake(tmp_path: Path) -> None:
    columns = [Column(name="sex", kind="categorical")]
    spec = Spec(modality="table", task="classification", source="x", format="table", num_rows=1, columns=columns)
    params = {"validate": {"gate": {"slices": [{"column": "sex", "min": 0.5}, {"column": "sx", "min": 0.5}]}}}
    sections, _ = validate_sections(params, SECTIONS)
    (mistake,) = find_column_mistakes(sections, spec)
    assert mistake == ("validate.gate.slices.1.column: got 'sx'; choose one of ['class', 'sex'] (did you mean 'sex'?)")
    assert read_ingested_spec(Paths(tmp_path)) is None


def test_scopes_name_keys_of_the_sections() -> None:
    for key in SCOPES:
        section, _, field = key.partition(".")
        assert field in SECTIONS[section].model_fields


def test_settings_for_texts_need_a_table_with_a_column_of_them() -> None:
    params: dict[str, Any] = {
        "clean": {"checks": {"markup": "warn"}},
        "normalize": {"text": {"max_tokens": 32}},
        "train": {"model": {"name": "mlp", "text_encoder": "rnn"}, "token_dropout": 0.1},
    }
    sections, mistakes = validate_sections(params, SECTIONS)
    assert mistakes == []
    column = Column(name="note", kind="text")
    spec = Spec(modality="table", task="classification", source="x", format="table", num_rows=1, columns=[column])
    assert find_scope_mistakes(sections, ("table", "classification")) == []
    assert find_column_mistakes(sections, spec) == []
    without = spec.model_copy(update={"columns": [Column(name="sex", kind="categorical")]})
    assert [mistake.partition(": ")[0] for mistake in find_column_mistakes(sections, without)] == [
        "normalize.text", "train.token_dropout", "clean.checks.markup", "train.model.text_encoder",
    ]  # fmt: skip
    assert find_mistakes("image", "classification", normalize=params["normalize"]) == [
        "normalize.text: is for texts and tables, and the modality is image; remove it"
    ]
