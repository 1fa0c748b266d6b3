"""Checks of single labels: missing ones, unknown ones, and targets that are not numbers."""

from __future__ import annotations

from headrace.contracts import Json, Spec
from headrace.storage.label_codec import decode_list

MAX_TARGET = 3e38
"""Targets are stored with 32 bits."""
Problem = tuple[str, str]
"""Check and reason."""


def find_label_problem(label: str | None, spec: Spec, options: Json) -> Problem | None:
    """Returns what is wrong with the label of a row, if its check is not off."""
    problem = _check_label(label, spec, options)
    return problem if problem and problem[0] in options else None


def _check_label(label: str | None, spec: Spec, options: Json) -> Problem | None:
    if not label:
        return "missing_label", "no label"
    if spec.targets:
        return _check_targets(label, spec.targets)
    if spec.task == "regression":
        return None if _is_number(label) else ("unknown_label", _not_a_number(label))
    names = [label]
    if spec.task == "multilabel":
        parsed = decode_list(label)
        if parsed is None:
            return "unknown_label", f"{label[:80]!r} is neither a list of labels nor a row of 0 and 1"
        names = parsed
    return _check_names(names, options.get("unknown_label", {}).get("known"))


def _check_names(names: list[str], known: list[object] | None) -> Problem | None:
    if known is None:
        return None
    allowed = {str(name) for name in known}
    unknown = next((name for name in names if name not in allowed), None)
    return (
        None if unknown is None else ("unknown_label", f"{unknown[:40]!r} is not one of the {len(known)} known labels")
    )


def _check_targets(label: str, targets: list[str]) -> Problem | None:
    for name, cell in zip(targets, decode_list(label) or [], strict=True):
        if cell is None:
            return "missing_label", f"no value of {name!r}"
        if not _is_number(cell):
            return "unknown_label", f"{name!r}: {_not_a_number(cell)}"
    return None


def _not_a_number(label: str) -> str:
    return f"{label[:40]!r} is not a finite 32-bit number"


def _is_number(label: str) -> bool:
    try:
        return abs(float(label)) <= MAX_TARGET  # neither infinite nor NaN
    except ValueError:
        return False
