"""Proposes a contract from accepted rows: rules that all of them keep, for a person to edit."""

from __future__ import annotations

import re
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import ColumnKind, Json, Spec
from headrace.data.cleaning.contract.rules import QUANTITIES, name_columns, read_column
from headrace.data.cleaning.contract.totals import summarize_values
from headrace.storage.label_codec import decode_names
from headrace.storage.parquet import read_table

MAX_LISTED = 50
"""A category of more values gets no list of them."""
MIN_UNIQUE = 20
"""With fewer rows, different cells do not show that a column is an id."""
SPARE = 1.25
"""How much larger than now the share of missing cells may become."""
CLASSES = (("[A-Z]", str.isupper), ("[a-z]", str.islower), (r"\d", str.isdigit))
"""Parts of a pattern; other characters stand for themselves."""


def propose_contract(raw: Spec, clean: Spec, clean_dir: Path) -> Json:
    """Returns the content of `contract.yaml`: by the raw columns, also those that `clean` does not learn from.

    Every rule warns, except for other columns and kinds, which stop: a person decides about more.
    """
    contract: Json = {"missing_columns": "stop", "unknown_columns": "warn", "columns": {}, "target": {}}
    accepted = {}
    for name, column in (name_columns(raw) if raw.modality == "table" else {}).items():
        values = read_column(clean_dir, column.name)
        contract["columns"][name] = _propose_column(values, column.kind)
        summary = summarize_values(values) if column.kind != "text" else None
        if summary and not _is_unique(values):
            accepted[name] = summary
    contract["target"] = _propose_target(clean, read_table(clean_dir, ["label"]).column(0))
    return contract | ({"drift": {"max_psi": 0.25, "action": "warn", "columns": accepted}} if accepted else {})


def _propose_column(values: pa.ChunkedArray, kind: ColumnKind) -> Json:
    rules: Json = {"kind": {"expected": kind, "action": "stop"}}
    known = values.drop_null()
    share = values.null_count / max(1, len(values))
    if kind in QUANTITIES and len(known):
        rules["range"] = _limits(known) | {"action": "warn"}
    elif kind == "categorical" and len(known):
        names = sorted(pc.unique(known).to_pylist())
        if len(names) <= MAX_LISTED:
            rules["values"] = {"allowed": names, "action": "warn"}
        elif pattern := find_pattern(names):
            rules["pattern"] = {"regex": pattern, "action": "warn"}
    if kind == "categorical" and _is_unique(values):
        rules["unique"] = {"action": "warn"}
    if share:
        rules["missing"] = {"max_share": min(1.0, ceil(share * SPARE * 1000) / 1000), "action": "warn"}
    else:
        rules["required"] = {"action": "warn"}
    return rules


def _propose_target(spec: Spec, labels: pa.ChunkedArray) -> Json:
    if spec.task == "multilabel":
        names = {name for label in pc.unique(labels).to_pylist() for name in decode_names(label or "")}
        return {"values": {"allowed": sorted(names), "action": "warn"}}
    if spec.task == "regression":
        numbers = pa.chunked_array([[float(label) for label in labels.to_pylist()]], pa.float64())
        return {} if spec.targets else {"range": _limits(numbers) | {"action": "warn"}}
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(labels).to_pylist()}
    shares = {name: round(count / len(labels), 6) for name, count in sorted(counts.items())}
    values = {"allowed": sorted(counts), "action": "warn"}
    return {"values": values, "shares": {"expected": shares, "tolerance": 0.1, "action": "warn"}}


def _limits(known: pa.ChunkedArray) -> Json:
    low, high = (pc.min_max(known)[side].as_py() for side in ("min", "max"))
    return {"min": _plain(low), "max": _plain(high)}


def _plain(value: Any) -> Any:
    """An integer where a number is one, and a date as text."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value.isoformat(sep=" ")


def _is_unique(values: pa.ChunkedArray) -> bool:
    known = values.drop_null()
    return len(known) >= MIN_UNIQUE and not pa.types.is_floating(values.type) and len(pc.unique(known)) == len(known)


def find_pattern(names: list[str]) -> str:
    r"""Returns a regular expression of the form that all names share; empty if they differ in form.

    >>> find_pattern(["AB-12", "C-345"])
    '[A-Z]{1,2}\\-\\d{2,3}'
    """
    if not all(map(str.isprintable, names)):
        return ""
    forms = [[(part, len(list(run))) for part, run in groupby(map(_find_class, name))] for name in names]
    if len({tuple(part for part, _ in form) for form in forms}) != 1:
        return ""
    lengths = np.array([[length for _, length in form] for form in forms]).reshape(len(forms), -1)
    pattern = ""
    for index, (part, _) in enumerate(forms[0]):
        low, high = int(lengths[:, index].min()), int(lengths[:, index].max())
        pattern += part + ("" if low == high == 1 else f"{{{low}}}" if low == high else f"{{{low},{high}}}")
    return pattern


def _find_class(character: str) -> str:
    is_ascii = character.isascii()
    return next((part for part, is_in in CLASSES if is_ascii and is_in(character)), re.escape(character))
