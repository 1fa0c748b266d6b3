"""The name of a run: its model, what differs from the project's previous run, and the commit."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.contracts import Json

NAME_CHARACTERS = 250
"""Limit of PostgreSQL and other databases with typed columns."""
MAX_DIFFERENCES = 3
MAX_VALUE_CHARACTERS = 24
COMMIT_CHARACTERS = 7
MODEL = "model.name"
SHORT_NAMES = {
    MODEL: "model",
    "learning_rate": "lr",
    "batch_size": "batch",
    "max_epochs": "epochs",
    "weight_decay": "wd",
}
BY_MACHINE = ("num_workers", "num_threads", "memory_format", "strategy")
"""Parameters that an `auto` may resolve to another value on another machine; named if nothing else differs."""


def make_run_name(card: Json, params: Mapping[str, str], before: tuple[Mapping[str, str], Mapping[str, str]]) -> str:
    """Returns a name such as `cnn lr=0.01 @a1b2c3d (puffy-cat)`, the last of which is DVC's experiment.

    `before`: parameters and tags of the project's previous run, empty for the first one.
    """
    differences = describe_difference({**before[0], MODEL: params.get(MODEL, "")}, params) if before[0] else ""
    if before[0] and not differences:
        differences = _describe_origin(card["lineage"], before[1])
    commit = str(card["lineage"].get("git_commit", ""))[:COMMIT_CHARACTERS]
    is_dirty = commit and card["lineage"].get("git_dirty")
    experiment = card.get("experiment", "")
    parts = [
        str(card["model"]["name"]),
        differences,
        f"@{commit}{'-dirty' if is_dirty else ''}" if commit else "",
        f"({experiment})" if experiment else "",
    ]
    return " ".join(filter(None, parts))[:NAME_CHARACTERS]


def describe_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Returns the parameters that differ, such as `lr=0.01 quantize.max_loss=0.02`; "" if none does.

    A parameter that is gone has its default again, and is shown as `-`.
    """
    names = [name for name in {**now, **before} if now.get(name) != before.get(name)]
    own = [name for name in names if name not in BY_MACHINE] or names
    shown = [f"{_shorten_name(name)}={_shorten_value(now.get(name, '-'))}" for name in own[:MAX_DIFFERENCES]]
    return " ".join([*shown, *([f"+{len(own) - MAX_DIFFERENCES}"] if len(own) > MAX_DIFFERENCES else [])])


def _describe_origin(lineage: Json, tags: Mapping[str, str]) -> str:
    """Returns what else differs where all settings are the same."""
    data = lineage.get("data", {})
    if any(value and value != tags.get(f"headrace.data.{name}", value) for name, value in data.items()):
        return "other data"
    return "other code" if lineage.get("code", "") != tags.get("headrace.code", "") else "again"


def _shorten_name(name: str) -> str:
    return SHORT_NAMES.get(name, name.removeprefix("model."))


def _shorten_value(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        text = "".join(value.split())
        return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[: MAX_VALUE_CHARACTERS - 3]}..."
