"""Networks. MODELS: name -> the class that holds its options and builds it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from headrace.config import Section, check
from headrace.contracts import ModalityName, Model
from headrace.errors import ConfigError, choices
from headrace.models.cnn import Cnn, ResNet
from headrace.models.mlp import Linear, Mlp
from headrace.models.table import ResMlp, TableTransformer
from headrace.models.text import Rnn, TextMean, Transformer
from headrace.models.vit import Vit

MODELS: dict[str, type[Section]] = {
    "cnn": Cnn,
    "linear": Linear,
    "mlp": Mlp,
    "resmlp": ResMlp,
    "resnet": ResNet,
    "rnn": Rnn,
    "table_transformer": TableTransformer,
    "text_mean": TextMean,
    "transformer": Transformer,
    "vit": Vit,
}


def models_of(modality: ModalityName) -> list[str]:
    """Names of the models that take inputs of a modality."""
    return [name for name, model in MODELS.items() if modality in model.modalities]  # type: ignore[attr-defined]


def find_model(settings: Mapping[str, Any], where: str, modality: ModalityName | None = None) -> Model:
    """The model that `{"name": ..., option: value}` asks for, its options checked.

    A name `my_package.module:Thing` reaches a class outside the tree: a Section, or any class that takes the
    options by keyword and has `build`. Raises ConfigError that begins with `where`; also for a model of another
    `modality`, where that is known.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    name = str(settings.get("name", ""))
    if ":" not in name and name not in MODELS:
        raise ConfigError(f"{where}.name: {name!r} is no model; {choices(name, MODELS)}")
    if modality and name in MODELS and name not in models_of(modality):
        raise ConfigError(
            f"{where}.name: {name!r} is no {modality} model, and the data are {modality}; "
            f"choose one of {models_of(modality)}"
        )
    found: Any = MODELS[name] if name in MODELS else _outside(name, where)
    if isinstance(found, type) and issubclass(found, Section):
        made: Any = check(found, options, where)
    else:
        try:
            made = found(**options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {name} does not take these options: {error}") from None
    model: Model = made
    return model


def _outside(name: str, where: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # the latter two: no module before the colon
        raise ConfigError(f"{where}.name: cannot import {name!r} ({error}); write 'my_package.module:Thing'") from None
    if not hasattr(found, "build"):
        raise ConfigError(f"{where}.name: {name!r} has no method build(input_shape, num_outputs); add it")
    return found
