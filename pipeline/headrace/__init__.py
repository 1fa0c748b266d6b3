"""Headrace: raw labelled data to a trained, tested, quantised, explained and registered model."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["load_model", "load_spec"]

# by name, so that importing the package is cheap and stages do not depend on these modules
_EXPORTS = {"load_model": "headrace.prediction.loaded_model", "load_spec": "headrace.storage.bundle"}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
