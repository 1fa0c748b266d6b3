"""Infers which columns are to be predicted, and for which task.

A row may have one label, several labels, or several values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from headrace.contracts import ColumnKind, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.parsing import parse_numbers
from headrace.data.table.reading.columns.numeric_columns import MOSTLY
from headrace.data.table.reading.labels import FLAGS
from headrace.errors import ConfigError, DataError, choices
from headrace.storage.label_codec import decode_list

USUAL_NAMES = frozenset(
    ["class", "diagnosis", "income", "label", "labels", "outcome", "sentiment", "species", "survived", "target", "y"]
)
"""Lower-case names of targets."""
LIKELY_NAMES = frozenset(
    """
    approved attrition attritionflag cancelled canceled category charges churn churned churnflag churnlabel
    churnvalue cnt compressivestrength concretecompressivestrength converted conversion cultivar default defaulted
    defaultpaymentnextmonth demand deposit digit emotion exited fraud fraudulent genre heartdisease hired intent
    loanapproved loandefault loanstatus medianhousevalue medhousevalue medv mpg placed price purchased quality rating
    readmitted response result revenue risk salary saleprice sales score sellingprice spam stars stroke strength
    subscribed topic toxic transported variety verdict winner won yield
    """.split()  # noqa: SIM905 a list would be one name a line
)
"""Names of what is often predicted, in lower case without other characters; they may be names of inputs, too."""
MAX_CLASSES = 20
"""Above so many distinct values, a column is not guessed to hold classes."""
SMALL = 1000
FEW = 0.05
"""So small a fraction of distinct integers may be numbered classes, however many they are."""
MAX_NAMES_SHOWN, NUM_LAST_SHOWN = 20, 5


def find_targets(head: pa.Table, kinds: Mapping[str, ColumnKind], options: ReadOptions) -> list[str]:
    """The columns that `ingest.target` names, or the only likely one; raises ConfigError if the choice is ambiguous.

    `kinds`: kinds of the candidate columns.
    """
    for name in options.targets:
        if name not in kinds:
            raise ConfigError(f"params.yaml: ingest.target: no column {name!r}; {choices(name, kinds)}")
    return options.targets or [_guess_target(head, kinds)]


def infer_task(labels: pa.Array, target: str, kind: ColumnKind, options: ReadOptions) -> TaskName:
    """The task of `ingest.task`; auto: regression where the target has many different numbers."""
    values = labels.drop_null()
    if not len(values):
        raise DataError(
            f"params.yaml: ingest.target: column {target!r} has no value in the first {len(labels)} rows; choose"
            " another column, or correct ingest.table.missing"
        )
    if _is_multilabel(values, target, options):
        return "multilabel"
    if options.task == "regression" and kind != "numeric":
        raise ConfigError(
            f"params.yaml: ingest.task: 'regression' requires a numeric target; column {target!r} contains {kind}"
            f" values such as {values[0].as_py()[:40]!r}; set classification, or another ingest.target"
        )
    if options.task != "auto":
        return options.task
    return "regression" if kind == "numeric" and _is_measured(values) else "classification"


def infer_multi_target_task(
    head: pa.Table, targets: list[str], kinds: Mapping[str, ColumnKind], options: ReadOptions
) -> TaskName:
    """Multilabel if almost all cells of several columns are 0 or 1, regression if they are numbers.

    Raises ConfigError for anything else, and for a task that has a single target; DataError for columns without values.
    """
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: {options.label_separator!r} applies to a single target, but"
            f" ingest.target names {len(targets)} columns; remove it, or name one column"
        )
    if options.task == "classification":
        raise ConfigError(
            f"params.yaml: ingest.task: 'classification' has one class per row, but ingest.target names {len(targets)}"
            " columns; set multilabel (columns of 0 and 1), or regression (columns of numbers)"
        )
    columns = {name: head[name].drop_null() for name in targets}
    empty = next((name for name, values in columns.items() if not len(values)), None)
    if empty is not None:
        raise DataError(
            f"params.yaml: ingest.target: column {empty!r} has no value in the first {head.num_rows} rows; remove it"
        )
    fractions = {name: _flag_fraction(values) for name, values in columns.items()}
    if options.task == "multilabel":
        _check_all_flags(columns, fractions)
    if options.task != "regression" and min(fractions.values()) >= MOSTLY:
        if options.task == "auto":
            _check_unambiguous_flags(columns, fractions)
        return "multilabel"
    other = next((name for name in targets if kinds[name] != "numeric"), None)
    if other is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: several targets must be numbers, or 0 and 1; column {other!r} contains"
            f" {kinds[other]} values such as {columns[other][0].as_py()[:40]!r}; remove it"
        )
    return "regression"


def is_usual_name(name: str) -> bool:
    """Whether a column of this name is a target in almost any table."""
    return name.lower() in USUAL_NAMES


def _guess_target(head: pa.Table, kinds: Mapping[str, ColumnKind]) -> str:
    usual = [name for name in kinds if is_usual_name(name)]
    if len(usual) == 1:
        return usual[0]
    likely = [name for name, kind in kinds.items() if _is_likely_name(name) and kind in {"numeric", "categorical"}]
    target = None if usual else _guess_from_content(head, kinds) or _pick_likely(likely, list(kinds))
    if target is None:
        candidates = usual or likely
        reason = f"any of {candidates} may be" if candidates else "no column name shows which column is"
        listed = _list_names(list(kinds))
        raise ConfigError(f"params.yaml: ingest.target: null, but {reason} the target; choose one of [{listed}]")
    return target


def explain_target(name: str) -> str:
    """What shows that a column, which no setting names, is the target."""
    return "name" if is_usual_name(name) or _is_likely_name(name) else "values and its place among the columns"


def _is_likely_name(name: str) -> bool:
    bare = re.sub(r"[^a-z]", "", name.lower())
    return bare in LIKELY_NAMES or bare.removeprefix("is") in LIKELY_NAMES


def _pick_likely(likely: Sequence[str], names: Sequence[str]) -> str | None:
    """The only likely name; of several that of the last column, where most tables have their target."""
    if len(likely) == 1:
        return likely[0]
    return names[-1] if names[-1] in likely else None


def _list_names(names: Sequence[str]) -> str:
    """The first names and the last ones, among which the target often is."""
    quoted = [repr(name) for name in names]
    if len(quoted) > MAX_NAMES_SHOWN:
        quoted = [*quoted[: MAX_NAMES_SHOWN - NUM_LAST_SHOWN], "...", *quoted[-NUM_LAST_SHOWN:]]
    return ", ".join(quoted)


def _guess_from_content(head: pa.Table, kinds: Mapping[str, ColumnKind]) -> str | None:
    """The other column next to a single text or image; else the last column, if no other looks like classes.

    A table without a header most often has its target last, and otherwise first: there only the first column competes.
    """
    names = list(kinds)
    contents = [name for name in names if kinds[name] in {"text", "image"}]
    if len(names) == 2 and len(contents) == 1:  # noqa: PLR2004 - one input and one target
        return next(name for name in names if name not in contents)
    rivals = names[:-1] if _has_real_names(head.column_names) else names[:1]
    if _is_classes(head, names[-1], kinds) and not any(_is_classes(head, name, kinds) for name in rivals):
        return names[-1]
    return None


def _has_real_names(names: Sequence[str]) -> bool:
    """Whether columns have names of their own, not those generated in the absence of a header."""
    return list(names) != [f"column_{index}" for index in range(len(names))]


def _is_classes(head: pa.Table, name: str, kinds: Mapping[str, ColumnKind]) -> bool:
    values = head[name].combine_chunks().drop_null()
    num_distinct = len(values.unique())
    is_repeating = 1 < num_distinct <= min(MAX_CLASSES, len(values) / 2)
    return is_repeating and (kinds[name] == "categorical" or (kinds[name] == "numeric" and _are_small(values)))


def _is_measured(values: pa.Array) -> bool:
    """Whether numbers are quantities rather than numbered classes."""
    num_distinct = len(values.unique())
    if not _are_integers(values):
        return num_distinct > min(MAX_CLASSES, len(values) / 2)
    return num_distinct > MAX_CLASSES and (not _are_small(values) or num_distinct > FEW * len(values))


def _are_integers(values: pa.Array) -> bool:
    numbers = parse_numbers(values).values
    finite = numbers[np.isfinite(numbers)]
    return bool((finite == np.round(finite)).all())


def _are_small(values: pa.Array) -> bool:
    return _are_integers(values) and bool(np.nanmax(np.abs(parse_numbers(values).values), initial=0) < SMALL)


def _check_all_flags(columns: Mapping[str, pa.ChunkedArray], fractions: Mapping[str, float]) -> None:
    for name, fraction in fractions.items():
        if fraction < MOSTLY:
            raise ConfigError(
                f"params.yaml: ingest.task: 'multilabel' with several columns requires 0 and 1; column {name!r}"
                f" contains {_first_other(columns[name])!r}; set regression, or other columns as ingest.target"
            )


def _check_unambiguous_flags(columns: Mapping[str, pa.ChunkedArray], fractions: Mapping[str, float]) -> None:
    for name, fraction in fractions.items():
        if fraction < 1:
            raise ConfigError(
                f"params.yaml: ingest.task: auto, but ingest.target names columns of 0 and 1, of which {name!r} also"
                f" contains {_first_other(columns[name])!r}; set multilabel (such rows are rejected), or regression"
            )


def _is_multilabel(values: pa.Array, target: str, options: ReadOptions) -> bool:
    """Whether one column gives a row several labels; raises ConfigError if the settings contradict its cells."""
    if options.label_separator is not None:
        if options.task not in {"auto", "multilabel"}:
            raise ConfigError(
                f"params.yaml: ingest.label_separator: {options.label_separator!r} separates several labels of a row,"
                f" but ingest.task is {options.task!r}; set multilabel, or remove it"
            )
        return True
    other = next((cell for cell in values.to_pylist() if decode_list(cell) is None), None)
    if other is None:
        return options.task in {"auto", "multilabel"}
    if options.task == "multilabel":
        raise ConfigError(
            f"params.yaml: ingest.task: 'multilabel' requires lists, but column {target!r} contains {other[:40]!r}; set"
            " ingest.label_separator, or name several columns of 0 and 1 as ingest.target"
        )
    return False


def _flag_fraction(values: pa.ChunkedArray) -> float:
    cells = values.to_pylist()
    return sum(cell.lower() in FLAGS for cell in cells) / len(cells)


def _first_other(values: pa.ChunkedArray) -> str:
    """The first cell that is neither 0 nor 1."""
    return next(str(cell)[:40] for cell in values.to_pylist() if cell.lower() not in FLAGS)
