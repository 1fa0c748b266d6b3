"""Labels that nothing can be learned from: none, unknown ones, or no numbers."""

from __future__ import annotations

from headrace.contracts import Json, Spec
from headrace.storage.label_codec import read_list

MAX_TARGET = 3e38
"""Targets are stored with 32 bits."""
Fault = tuple[str, str]
"""Check and reason."""


def label_fault(label: str | None, spec: Spec, options: Json) -> Fault | None:
    """What is wrong with the label of a row; checks that are off find nothing."""
    fault = _fault(label, spec, options)
    return fault if fault and fault[0] in options else None


def _fault(label: str | None, spec: Spec, options: Json) -> Fault | None:
    if not label:
        return "missing_label", "no label"
    if spec.targets:
        return _fault_of_values(label, spec.targets)
    if spec.task == "regression":
        return None if _is_number(label) else ("unknown_label", _no_number(label))
    known = options.get("unknown_label", {}).get("known")
    if spec.task == "multilabel":
        return _fault_of_names(label, known)
    return _fault_of_names_in([label], known)


def _fault_of_names(label: str, known: list[object] | None) -> Fault | None:
    names = read_list(label)
    if names is None:
        return "unknown_label", f"{label[:80]!r} is no list of labels, and no row of 0 and 1"
    return _fault_of_names_in(names, known)


def _fault_of_names_in(names: list[str], known: list[object] | None) -> Fault | None:
    allowed = None if known is None else {str(name) for name in known}
    other = next((name for name in names if allowed is not None and name not in allowed), None)
    return (
        None if other is None else ("unknown_label", f"{other[:40]!r} is none of the {len(known or [])} known labels")
    )


def _fault_of_values(label: str, targets: list[str]) -> Fault | None:
    cells = dict(zip(targets, read_list(label) or [], strict=True))
    for name, cell in cells.items():
        if cell is None:
            return "missing_label", f"no value of {name!r}"
        if not _is_number(cell):
            return "unknown_label", f"{name!r}: {_no_number(cell)}"
    return None


def _no_number(label: str) -> str:
    return f"{label[:40]!r} is no finite number (of 32 bits)"


def _is_number(label: str) -> bool:
    try:
        return abs(float(label)) <= MAX_TARGET  # so neither infinite nor NaN
    except ValueError:
        return False
