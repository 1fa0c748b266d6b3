"""Which column is to be predicted, and what a model is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.contracts import ColumnKind, TaskName
from headrace.errors import ConfigError, DataError, choices
from headrace.modalities.options import ReadOptions
from headrace.modalities.table.parse import numbers
from headrace.modalities.table.several import is_multilabel

if TYPE_CHECKING:
    import pyarrow as pa

USUAL = frozenset(
    ["class", "diagnosis", "income", "label", "labels", "outcome", "sentiment", "species", "survived", "target", "y"]
)
"""Lower-case names of targets."""
MOST_CLASSES = 20
"""More distinct values are no classes that one would guess."""
SMALL = 1000
FEW = 0.05
"""Of the rows: so few distinct integers may be numbered classes, however many they are."""
NAMES_TOLD = 20


def find_targets(head: pa.Table, kinds: Mapping[str, ColumnKind], options: ReadOptions, *, is_named: bool) -> list[str]:
    """The columns that `ingest.target` names, or the only likely one; raises ConfigError where there is a doubt.

    `kinds`: of the columns that may be it; `is_named`: whether their names mean anything.
    """
    for name in options.targets:
        if name not in kinds:
            raise ConfigError(f"params.yaml: ingest.target: no column {name!r}; {choices(name, kinds)}")
    return options.targets or [_likely(head, kinds, is_named=is_named)]


def _likely(head: pa.Table, kinds: Mapping[str, ColumnKind], *, is_named: bool) -> str:
    usual = [name for name in kinds if name.lower() in USUAL]
    if len(usual) == 1:
        return usual[0]
    found = None if usual else _by_content(head, kinds, is_named=is_named)
    if found is None:
        names = list(kinds)
        more = ", ..." if len(names) > NAMES_TOLD else ""
        listed = ", ".join(repr(name) for name in names[:NAMES_TOLD]) + more
        raise ConfigError(
            f"params.yaml: ingest.target: null, but {usual or 'no name'} does not tell which column is to be predicted;"
            f" choose one of [{listed}]"
        )
    return found


def _by_content(head: pa.Table, kinds: Mapping[str, ColumnKind], *, is_named: bool) -> str | None:
    """What stands beside the only text or image; else the last column, if it alone looks like classes.

    In tables without a header the last is the usual place: there only the first column, the other usual place, can
    speak against it.
    """
    names = list(kinds)
    contents = [name for name in names if kinds[name] in {"text", "image"}]
    if len(names) == 2 and len(contents) == 1:  # noqa: PLR2004 - what is known and what is asked
        return next(name for name in names if name not in contents)
    rivals = names[:-1] if is_named else names[:1]
    if _is_classes(head, names[-1], kinds) and not any(_is_classes(head, name, kinds) for name in rivals):
        return names[-1]
    return None


def _is_classes(head: pa.Table, name: str, kinds: Mapping[str, ColumnKind]) -> bool:
    values = head[name].combine_chunks().drop_null()
    num_distinct = len(values.unique())
    is_repeating = 1 < num_distinct <= min(MOST_CLASSES, len(values) / 2)
    return is_repeating and (kinds[name] == "categorical" or (kinds[name] == "numeric" and _are_small(values)))


def find_task(labels: pa.Array, target: str, kind: ColumnKind, options: ReadOptions) -> TaskName:
    """What `ingest.task` asks for; auto: regression where the target has many different numbers."""
    values = labels.drop_null()
    if not len(values):
        raise DataError(
            f"params.yaml: ingest.target: column {target!r} has no value in the first {len(labels)} rows; choose"
            " another column, or mend ingest.table.missing"
        )
    if is_multilabel(values, target, options):
        return "multilabel"
    if options.task == "regression" and kind != "numeric":
        raise ConfigError(
            f"params.yaml: ingest.task: 'regression' takes a target of numbers; column {target!r} holds {kind} values"
            f" such as {values[0].as_py()[:40]!r}; set classification, or another ingest.target"
        )
    if options.task != "auto":
        return options.task
    return "regression" if kind == "numeric" and _is_measured(values) else "classification"


def _is_measured(values: pa.Array) -> bool:
    """Whether numbers are amounts rather than numbered classes."""
    num_distinct = len(values.unique())
    if not _are_integers(values):
        return num_distinct > min(MOST_CLASSES, len(values) / 2)
    return num_distinct > MOST_CLASSES and (not _are_small(values) or num_distinct > FEW * len(values))


def _are_integers(values: pa.Array) -> bool:
    import numpy as np

    found = numbers(values).values
    found = found[np.isfinite(found)]
    return bool((found == np.round(found)).all())


def _are_small(values: pa.Array) -> bool:
    import numpy as np

    found = numbers(values).values
    return _are_integers(values) and bool(np.nanmax(np.abs(found), initial=0) < SMALL)


def named(names: Sequence[str]) -> bool:
    """Whether columns have names of their own, not those that are given for want of a header."""
    return list(names) != [f"column_{index}" for index in range(len(names))]
