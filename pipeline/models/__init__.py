"""Networks. MODELS: name -> the class that holds its options and builds it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pipeline.config import Section, check
from pipeline.contracts import Model
from pipeline.errors import ConfigError, choices
from pipeline.models.image import Cnn, Mlp

MODELS: dict[str, type[Section]] = {
    "cnn": Cnn,
    "mlp": Mlp,
}


def find_model(settings: Mapping[str, Any], where: str) -> Model:
    """The model that `{"name": ..., option: value}` asks for, its options checked.

    A name `my_package.module:Thing` reaches a class outside the tree: a Section, or any class that takes the
    options by keyword and has `build`. Raises ConfigError that begins with `where`.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    name = str(settings.get("name", ""))
    if ":" not in name and name not in MODELS:
        raise ConfigError(f"{where}.name: {name!r} is no image model; {choices(name, MODELS)}")
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
