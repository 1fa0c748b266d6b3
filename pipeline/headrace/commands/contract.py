"""`headrace contract`: proposes `contract.yaml` from the accepted rows, and makes DVC watch it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.commands.project_template import add_dep
from headrace.commands.source.write import format_flow, format_scalar
from headrace.contracts import Json, Spec
from headrace.data.cleaning.contract.proposal import propose_contract
from headrace.errors import DataError
from headrace.paths import CONTRACT, Paths
from headrace.storage.atomic import write_text

HEAD = """\
# The contract of the data, proposed by `headrace contract` from {num_rows:,} accepted rows. Edit it, and commit it:
# `clean` holds all rows to it, now and later. Actions: drop (the row goes to data/quarantine), repair (range: the
# limit; values, pattern: the cell becomes missing), warn, stop. All rules: docs/contract.md of Headrace.
"""
NESTED = ("columns", "target", "drift")
"""Sections whose entries have a line of their own."""


def write_contract(paths: Paths, *, is_forced: bool) -> list[str]:
    """Writes `contract.yaml`, and adds it to the deps of `clean` in `dvc.yaml`; returns lines that say so.

    Raises DataError if there is one already, unless forced, or no clean rows.
    """
    path = paths.contract_path
    if path.exists() and not is_forced:
        raise DataError(f"{CONTRACT}: exists; edit it, or replace it by a new proposal: headrace contract --force")
    raw, clean = Spec.read(paths.raw_dir), Spec.read(paths.clean_dir)
    contract = propose_contract(raw, clean, paths.clean_dir)
    write_text(path, HEAD.format(num_rows=clean.num_rows) + "\n".join(format_contract(contract)) + "\n")
    num_rules = sum(len(rules) for rules in contract["columns"].values()) + len(contract["target"])
    lines = [f"{CONTRACT}: {num_rules} rules for {len(contract['columns'])} columns and the target; edit and commit it"]
    dvc_path = paths.root / "dvc.yaml"
    if dvc_path.is_file():
        before = dvc_path.read_text(encoding="utf-8")
        after = add_dep(before, "clean", CONTRACT)
        if after != before:
            write_text(dvc_path, after)
            lines.append(f"dvc.yaml: clean depends on {CONTRACT}, and runs again after an edit of it")
    return lines


def format_contract(contract: Json, indent: int = 0) -> Iterator[str]:
    """Yields the lines of a contract: rules in one line each."""
    for key, value in contract.items():
        head = f"{' ' * indent}{format_scalar(key)}:"
        if isinstance(value, dict) and value and (key in NESTED or _holds_rules(value)):
            yield head
            yield from format_contract(value, indent + 2)
        else:
            yield f"{head} {format_flow(value)}"


def _holds_rules(value: dict[str, Any]) -> bool:
    return all(isinstance(rule, dict) for rule in value.values())
