"""`headrace promote` and `headrace rollback`: a person decides which version is the champion, and leaves a trace."""

from __future__ import annotations

import re

from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings.load import load_settings
from headrace.settings.register import Config
from headrace.storage.lock import wait_for_lock
from headrace.tracking.registry import CHALLENGER, Registry
from headrace.tracking.served.champion import promote_version, roll_back
from headrace.tracking.uri import check_tracking_uri

MODEL_URI = re.compile(r"models:/(?P<name>[^/@:]+)(/(?P<version>\d+)|@(?P<alias>[\w.\-]+))")
FORMS = "NAME, models:/NAME/VERSION or models:/NAME@ALIAS"


def promote_model(paths: Paths, model: str, *, force: bool, reason: str) -> str:
    """Makes a version the champion; of a name alone, the challenger. Returns what was done, in one line.

    Raises GateError where the gate or the comparison of `register` was against it, unless `force`.
    """
    if force and not reason.strip():
        raise ConfigError("--force: needs a reason, which is stored with the version; add --reason '...'")
    name, which = _parse_model(model or _read_name(paths))
    check_tracking_uri(paths)
    with wait_for_lock(paths.outbox_dir / "registry.lock"):  # `register` may run at the same time
        registry = Registry(paths)
        version = registry.find_version(name, which)
        if version is None:
            raise ConfigError(f"{model or name}: the registry has no version {which} of {name}; headrace ui shows them")
        return promote_version(paths, registry, version, force=force, reason=reason.strip())


def roll_back_model(paths: Paths, name: str, *, reason: str) -> str:
    """Makes the version before the champion the champion again; returns what was done, in one line."""
    name = name or _read_name(paths)
    if not re.fullmatch(r"[^/@:]+", name):
        raise ConfigError(f"{name}: not a name in the registry; give NAME")
    check_tracking_uri(paths)
    with wait_for_lock(paths.outbox_dir / "registry.lock"):
        return roll_back(paths, Registry(paths), name, reason=reason.strip())


def _read_name(paths: Paths) -> str:
    config = load_settings(paths)["register"]
    assert isinstance(config, Config)  # noqa: S101 for mypy: SECTIONS says so
    return config.name


def _parse_model(model: str) -> tuple[str, str]:
    """Returns name, and number or alias."""
    if match := MODEL_URI.fullmatch(model):
        return match["name"], match["version"] or match["alias"]
    if re.fullmatch(r"[^/@:]+", model):
        return model, CHALLENGER
    raise ConfigError(f"{model}: not a model; give {FORMS}")
