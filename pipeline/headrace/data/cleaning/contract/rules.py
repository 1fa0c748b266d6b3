"""Turns a contract into rules of `clean`, as plain JSON, and compares its columns with those of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.contracts import Column, Json, Spec
from headrace.data.cleaning.checks import CONTRACT_CHECKS, Rule
from headrace.errors import ConfigError, DataError, choices
from headrace.paths import CONTRACT
from headrace.storage.column_names import to_stored_name
from headrace.storage.parquet import read_table

if TYPE_CHECKING:
    from headrace.data.cleaning.contract.settings import Contract

MEASURES: dict[str, tuple[str, ...]] = {
    "image": ("width", "height", "brightness", "contrast", "sharpness"),
    "text": ("characters", "words"),
}
"""Modality without columns -> what `columns` of a contract may name in their place."""
CELL_RULES = ("range", "values", "pattern", "required", "unique")
QUANTITIES = ("numeric", "date", "time")


def compile_rules(contract: Contract, spec: Spec) -> dict[str, Rule]:
    """Returns a check for each action, whose option `rules` lists what it checks.

    Raises ConfigError for rules that do not fit the kind of their column, or of the target.
    """
    by_action: dict[str, list[Json]] = {name: [] for name in CONTRACT_CHECKS}
    columns = _compile_columns if spec.modality == "table" else _compile_measures
    for rule in [*columns(contract, spec), *_compile_target(contract, spec)]:
        by_action[f"contract_{rule.pop('action')}"].append(rule)
    return {name: Rule(CONTRACT_CHECKS[name].severity, {"rules": rules}) for name, rules in by_action.items()}


def list_rules(options: Json, subject: str) -> Iterator[tuple[str, Json]]:
    """Yields check and rule, of the rules of one subject: cell, repeat, measure or target."""
    for check in CONTRACT_CHECKS:
        for rule in options.get(check, {}).get("rules", []):
            if rule["subject"] == subject:
                yield check, rule


def name_columns(spec: Spec) -> dict[str, Column]:
    """Name in the source -> the input column."""
    return {column.name: column for column in spec.columns}


def read_column(folder: Path, name: str) -> pa.ChunkedArray:
    """Returns the cells of all rows of a folder in the column that the spec calls `name`."""
    return read_table(folder, [to_stored_name(name)]).column(0)


def compare_columns(contract: Contract, spec: Spec) -> list[tuple[str, str]]:
    """Returns a remark (check, text) for each missing or unknown column, and for each of another kind.

    Raises DataError, with all of them, if the action of one is stop.
    """
    if spec.modality != "table":
        return []
    columns = name_columns(spec)
    found = [
        (contract.missing_columns, f"column {name!r} is no input any more; inputs are {sorted(columns)[:20]}")
        for name in contract.columns
        if name not in columns
    ]
    unknown = [name for name in columns if name not in contract.columns] if contract.columns else []
    found += [(contract.unknown_columns, f"column {name!r} is not in {CONTRACT}") for name in unknown]
    for name, rules in contract.columns.items():
        if rules.kind and name in columns and columns[name].kind != rules.kind.expected:
            found.append((rules.kind.action, f"column {name!r} is {columns[name].kind}, not {rules.kind.expected}"))
    return raise_or_remark(found, "data/raw")


def raise_or_remark(found: Iterable[tuple[str, str]], where: str) -> list[tuple[str, str]]:
    """Returns (check, text) for each (action, text); raises DataError if the action of one is stop."""
    remarks = [(f"contract_{action}", text) for action, text in found]
    stops = [text for check, text in remarks if check == "contract_stop"]
    if stops:
        raise DataError(f"{where}: {'; '.join(stops)} ({CONTRACT}: stop); correct the source, or {CONTRACT}")
    return remarks


def _compile_columns(contract: Contract, spec: Spec) -> Iterator[Json]:
    columns = name_columns(spec)
    for name, rules in contract.columns.items():
        column = columns.get(name)
        for test in CELL_RULES if column else ():  # compare_columns reports a missing one
            rule, key = getattr(rules, test), f"columns.{name}.{test}"
            if rule is None or column is None:
                continue
            if test == "range" and column.kind not in QUANTITIES:
                raise ConfigError(
                    f"{CONTRACT}: {key}: column {name!r} is {column.kind}, which has no order; use values"
                )
            if test == "values" and column.kind in ("date", "time"):
                raise ConfigError(f"{CONTRACT}: {key}: column {name!r} is a {column.kind}; use range")
            head = {"subject": "repeat" if test == "unique" else "cell", "column": column.name, "name": name}
            yield head | {"key": key, "test": test, "missing": column.missing} | _options(rule, column.kind, key)


def _compile_measures(contract: Contract, spec: Spec) -> Iterator[Json]:
    measures = MEASURES[spec.modality]
    for name, rules in contract.columns.items():
        key = f"columns.{name}"
        if name not in measures:
            raise ConfigError(f"{CONTRACT}: {key}: no such measure of {spec.modality} data; {choices(name, measures)}")
        if rules.model_fields_set != {"range"} or rules.range is None or rules.range.action == "repair":
            raise ConfigError(
                f"{CONTRACT}: {key}: of {spec.modality} data there is only range, without repair; use that"
            )
        yield {"subject": "measure", "column": name, "key": f"{key}.range"} | _options(rules.range, "numeric", key)


def _compile_target(contract: Contract, spec: Spec) -> Iterator[Json]:
    head = {"subject": "target", "is_multilabel": spec.task == "multilabel"}
    limits, values, shares = contract.target.range, contract.target.values, contract.target.shares
    if limits:
        if spec.task != "regression" or spec.targets:
            raise ConfigError(f"{CONTRACT}: target.range: is for a single number, and the target is none; remove it")
        yield head | {"key": "target.range", "test": "range"} | _options(limits, "numeric", "target.range")
    if values:
        if spec.task == "regression":
            raise ConfigError(f"{CONTRACT}: target.values: the task is regression; use range, or remove it")
        yield head | {"key": "target.values", "test": "values"} | _options(values, "categorical", "target.values")
    if shares and spec.task != "classification":
        raise ConfigError(f"{CONTRACT}: target.shares: is for classification, and the task is {spec.task}; remove it")


def _options(rule: Any, kind: str, key: str) -> Json:
    """The options of a rule, and its action; limits as numbers, of dates in microseconds since 1970."""
    options: Json = rule.model_dump()
    if "min" in options:
        low, high = (_to_number(options.pop(side), kind, f"{key}.{side}") for side in ("min", "max"))
        options |= {"low": -np.inf if low is None else low, "high": np.inf if high is None else high}
    if "allowed" in options:
        convert = _to_number if kind == "numeric" else lambda value, *_: str(value)
        options["allowed"] = [convert(value, kind, f"{key}.allowed") for value in options["allowed"]]
    return options


def _to_number(value: float | str | None, kind: str, key: str) -> float | None:
    if value is None or (kind != "date" and isinstance(value, int | float)):
        return value
    if kind == "date" and isinstance(value, str):
        try:
            return float(np.datetime64(value.replace(" ", "T"), "us").astype(np.int64))
        except ValueError:
            pass
    expected = "a date such as '2024-01-31'" if kind == "date" else "a number"
    raise ConfigError(f"{CONTRACT}: {key}: got {value!r}; must be {expected}, because the column is {kind}")
