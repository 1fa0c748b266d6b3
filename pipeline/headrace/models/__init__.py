"""MODELS: the networks; each class holds the options of a network and builds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.config import Section, validate_section
from headrace.contracts import ModalityName, Model
from headrace.errors import ConfigError, choices
from headrace.models.cnn import Cnn, ResNet
from headrace.models.mlp import Linear, Mlp
from headrace.models.own_class import import_class
from headrace.models.table import ResMlp, TableTransformer
from headrace.models.text import Rnn, TextMean, Transformer
from headrace.models.vit import Vit

TEXT_ENCODER = "text_encoder"
"""Key of `train.model`: the network for the text columns of a table, one of the models for texts."""
DEFAULT_TEXT_ENCODER = {"name": "text_mean", "dense": []}
OWN_CLASS = "name a class of your own: my_package.module:Thing"
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


def models_for(modality: ModalityName) -> list[str]:
    """Names of the models that accept inputs of a modality."""
    return [name for name, model in MODELS.items() if modality in model.modalities]  # type: ignore[attr-defined]


def find_model(settings: Mapping[str, Any], where: str, modality: ModalityName | None = None) -> Model:
    """Creates the model of the settings `{"name": ..., option: value}`, with validated options.

    The name `my_package.module:Thing` imports a class from outside the package: a Section, or any class that accepts
    the options as keywords and has `build`. Raises ConfigError, which begins with `where`, for invalid settings or a
    model of another `modality`. `text_encoder` among the settings is checked too: see `find_text_encoder`.
    """
    options = {key: value for key, value in settings.items() if key not in {"name", TEXT_ENCODER}}
    name = str(settings.get("name", ""))
    if ":" not in name and name not in MODELS:
        raise ConfigError(f"{where}.name: {name!r} is not a model; {choices(name, MODELS)}, or {OWN_CLASS}")
    if modality and name in MODELS and name not in models_for(modality):
        raise ConfigError(
            f"{where}.name: {name!r} is not a model for {modality} data; choose one of {models_for(modality)}, or"
            f" {OWN_CLASS}"
        )
    if TEXT_ENCODER in settings:
        find_text_encoder(settings, where)
        if name in MODELS and name not in models_for("table"):
            raise ConfigError(f"{where}.{TEXT_ENCODER}: {name!r} is not a model for tables; remove it")
    model_class: Any = MODELS[name] if name in MODELS else import_class(name, where)
    model: Model
    if isinstance(model_class, type) and issubclass(model_class, Section):
        model = validate_section(model_class, options, where)  # type: ignore[assignment]
    else:
        try:
            model = model_class(**options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {name} does not accept these options: {error}") from None
    return model


def find_text_encoder(settings: Mapping[str, Any], where: str) -> Any:
    """Creates the model for text columns that the settings of a table's model name, or the default one.

    Its outputs are the features of a text, as many as its option `width`. Raises ConfigError for invalid settings.
    """
    encoder, key = settings.get(TEXT_ENCODER, DEFAULT_TEXT_ENCODER), f"{where}.{TEXT_ENCODER}"
    if not isinstance(encoder, Mapping):
        encoder = {"name": encoder}
    name, allowed = str(encoder.get("name", "")), models_for("text")
    if name not in allowed:
        raise ConfigError(f"{key}.name: got {name!r}; {choices(name, allowed)}")
    return find_model(encoder, key, "text")
