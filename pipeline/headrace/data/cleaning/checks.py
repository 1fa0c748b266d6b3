"""CHECKS: every check of rows, columns and classes, with its default severity; and the validation of `clean.checks`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf, isfinite
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from headrace.contracts import ColumnFinding, ColumnKind, Json, ModalityName, TaskName
from headrace.errors import choices

Severity: TypeAlias = Literal["error", "drop", "repair", "warn", "off"]
"""Stop; reject the row (or column); fix the value and store the original next to it; only report; do not check."""
ALL_MODALITIES: tuple[ModalityName, ...] = get_args(ModalityName)


class Check(NamedTuple):
    """One entry of CHECKS."""

    description: str
    """What it finds, for the report."""
    severity: Severity
    modalities: tuple[ModalityName, ...] = ALL_MODALITIES
    options: Json = {}
    """Name -> default; `clean.checks.<name>.<option>` overrides it."""
    severity_by_modality: Mapping[ModalityName, Severity] = {}
    """Where a modality has another default."""
    subject: Literal["row", "column", "set"] = "row"
    """What a finding is about."""
    excluded_tasks: tuple[TaskName, ...] = ()
    """Tasks that it makes no sense for."""
    column_kind: ColumnKind | None = None
    """The kind of the columns that it checks in a table; None: any."""


CHECKS: dict[str, Check] = {
    # every modality
    "missing_label": Check("rows without a label", "drop"),
    "unknown_label": Check(
        "labels outside `known`, invalid lists of labels, targets that are not finite", "drop", options={"known": None}
    ),
    "duplicate": Check(
        "the same content again (in tables dropped by default only where a column is an id)",
        "drop",
        severity_by_modality={"table": "warn"},
    ),
    "conflicting_labels": Check(
        "the same content under different labels", "drop", severity_by_modality={"table": "warn"}
    ),
    "near_duplicate": Check("almost the same content", "warn", ("image", "text"), {"similarity": None}),
    "rare_class": Check("classes of fewer than `min_rows` rows", "error", options={"min_rows": 3}),
    "imbalance": Check(
        "the largest class has more than `max_ratio` times the rows of the smallest",
        "warn",
        options={"max_ratio": 10.0},
        subject="set",
    ),
    "label_error": Check(
        "labels that contradict the rest of the rows (confident learning, on at most `max_rows` rows)",
        "warn",
        options={"max_rows": 20_000, "folds": 5},
        excluded_tasks=("multilabel",),
    ),
    "leakage": Check(
        "columns that predict the target by themselves",
        "warn",
        ("table",),
        {"min_score": 0.999},
        subject="column",
        excluded_tasks=("multilabel",),
    ),
    # images
    "undecodable": Check("broken, truncated or empty content", "drop", ("image", "text"), {"max_share": 0.0}),
    "mode": Check("images that are converted to grey or RGB (CMYK, 16 bits, palette, alpha)", "repair", ("image",)),
    "animation": Check("images of several frames or pages, of which the first is read", "warn", ("image",)),
    "size_outlier": Check("images far smaller or larger than most, by robust z-score", "warn", ("image",), {"z": 8.0}),
    "aspect_outlier": Check("images with a side `max_ratio` times the other", "warn", ("image",), {"max_ratio": 4.0}),
    "blank": Check("images of one colour: levels deviate by less than `below`", "drop", ("image",), {"below": 1.0}),
    "dark": Check("images whose 99th percentile of grey levels is under `below`", "warn", ("image",), {"below": 32.0}),
    "bright": Check("images whose 1st percentile of grey levels is over `above`", "warn", ("image",), {"above": 224.0}),
    "blurred": Check("images whose Laplacian deviates by less than `below`", "warn", ("image",), {"below": 2.0}),
    # texts
    "empty": Check("nothing but white space; in tables: no cell has a value", "drop", ("text", "table")),
    "control_characters": Check(
        "control characters and byte order marks", "repair", ("text", "table"), column_kind="text"
    ),
    "markup": Check("HTML tags and entities", "repair", ("text", "table"), column_kind="text"),
    "length_outlier": Check("texts far longer or shorter than most, by robust z-score", "warn", ("text",), {"z": 8.0}),
    # tables
    "missing_cell": Check("columns with missing cells; normalize fills them", "warn", ("table",), subject="column"),
    "constant_column": Check("columns of one value", "drop", ("table",), subject="column"),
    "duplicate_column": Check("columns that repeat another", "drop", ("table",), subject="column"),
    "id_column": Check(
        "categorical columns with more than `max_share` distinct values a row",
        "drop",
        ("table",),
        {"max_share": 0.5},
        subject="column",
    ),
    "mixed_types": Check("cells of a numeric column that are not numbers", "repair", ("table",)),
    "out_of_range": Check(
        "numbers outside `ranges` ({column: [low, high]}), infinite, or beyond 1e37",
        "repair",
        ("table",),
        {"ranges": {}},
    ),
    "impossible_date": Check(
        "dates that do not exist, or outside the years `from` to `to`", "repair", ("table",), {"from": 1677, "to": 2261}
    ),
    "outlier": Check("numbers far from their column's median, by robust z-score", "warn", ("table",), {"z": 12.0}),
}

CONTRACT_CHECKS: dict[str, Check] = {
    "contract_drop": Check("rows that break a rule of `contract.yaml` whose action is drop", "drop"),
    "contract_repair": Check("cells that break a rule of `contract.yaml` whose action is repair", "repair"),
    "contract_warn": Check("rows that break a rule of `contract.yaml` whose action is warn", "warn"),
    "contract_stop": Check("rows that break a rule of `contract.yaml` whose action is stop", "error"),
}
"""Checks of projects that have a contract; `clean.checks` does not name them."""
ALL_CHECKS = CHECKS | CONTRACT_CHECKS


class Rule(NamedTuple):
    """A check as `clean.checks` sets it."""

    severity: Severity
    options: Json


def resolve_rules(
    settings: Mapping[str, Any],
    modality: ModalityName,
    task: TaskName = "classification",
    column_kinds: Collection[ColumnKind] = (),
) -> dict[str, Rule]:
    """Returns the checks that apply to a modality and a task, with the overrides of `clean.checks`.

    `column_kinds`: those of a table's columns.
    """
    rules = {}
    for name, check in CHECKS.items():
        if modality not in check.modalities or task in check.excluded_tasks:
            continue
        if modality == "table" and check.column_kind and check.column_kind not in column_kinds:
            continue
        default = check.severity_by_modality.get(modality, check.severity)
        override = settings.get(name, {})
        override = {"severity": override} if isinstance(override, str) else dict(override)
        rules[name] = Rule(override.pop("severity", default), check.options | override)
    return rules


def is_severity_set(settings: Mapping[str, Any], name: str) -> bool:
    """Returns whether `clean.checks` names the severity of a check."""
    setting = settings.get(name, {})
    return isinstance(setting, str) or "severity" in setting


def describe_setting(name: str, severity: Severity) -> str:
    """Returns what a person sets so that a check has this severity."""
    return "another action in contract.yaml" if name in CONTRACT_CHECKS else f"clean.checks.{name}: {severity}"


def settle_duplicates(
    rules: Mapping[str, Rule], settings: Mapping[str, Any], columns: Iterable[ColumnFinding]
) -> dict[str, Rule]:
    """Returns the rules; repeated rows of a table are dropped by default if a column is an id, which they share.

    Without one, equal rows of a table may be different things: two passengers of the same class, age and sex.
    """
    has_id = any(finding.check == "id_column" for finding in columns)
    if is_severity_set(settings, "duplicate") or not has_id or "duplicate" not in rules:
        return dict(rules)
    return {**rules, "duplicate": rules["duplicate"]._replace(severity="drop")}


def list_skipped_checks(modality: ModalityName, task: TaskName) -> list[tuple[str, str]]:
    """Returns the checks that do not apply to this task, each with the reason, as remarks for the report."""
    return [
        (name, f"skipped: it makes no sense for {task}")
        for name, check in CHECKS.items()
        if modality in check.modalities and task in check.excluded_tasks
    ]


class Bounds(NamedTuple):
    """The numbers that an option accepts."""

    low: float
    high: float = inf
    is_integer: bool = False

    def __str__(self) -> str:
        """For example: an integer of at least 1."""
        kind = "an integer" if self.is_integer else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}" if self.high < inf else f"{kind} of at least {self.low:g}"


OPTION_BOUNDS: dict[str, Bounds] = {
    "min_rows": Bounds(1, is_integer=True),
    "max_rows": Bounds(1, is_integer=True),
    "folds": Bounds(2, is_integer=True),
    "max_ratio": Bounds(1),
    "z": Bounds(0),
    "similarity": Bounds(0, 1),
    "min_score": Bounds(0, 1),
    "max_share": Bounds(0, 1),
    "below": Bounds(0, 256),
    "above": Bounds(-1, 255),
    "from": Bounds(-9999, 9999, is_integer=True),
    "to": Bounds(-9999, 9999, is_integer=True),
}
"""By name of the option, for every check that has it."""
OPTION_TYPES: dict[str, type] = {"known": list, "ranges": dict}
"""Options that are not numbers."""


def validate_checks(settings: Mapping[str, Any]) -> list[str]:
    """Returns one clause for each mistake in `clean.checks`, starting with the key below it."""
    mistakes = []
    for name, setting in settings.items():
        if name not in CHECKS:
            mistakes.append(f"{name}: unknown check; {choices(name, CHECKS)}")
            continue
        options = {"severity": setting} if isinstance(setting, str) else setting
        severity, allowed = options.get("severity", "warn"), allowed_severities(name)
        if "severity" in options and severity not in allowed:
            mistakes.append(f"{name}.severity: got {severity!r}; {choices(str(severity), allowed)}")
        mistakes += _option_mistakes(name, options)
    return mistakes


def allowed_severities(name: str) -> list[Severity]:
    """Returns the severities that make sense for a check: a missing label cannot be repaired, nor a dataset dropped."""
    check = CHECKS[name]
    excluded: set[Severity] = set() if check.severity == "repair" else {"repair"}
    if check.subject == "set":
        excluded.add("drop")
    if name == "missing_label":
        excluded |= {"warn", "off"}
    return [severity for severity in get_args(Severity) if severity not in excluded]


def find_severity_mistakes(settings: Mapping[str, Any], modality: ModalityName, task: TaskName) -> list[str]:
    """Returns a clause for each check that would pass on rows that no later stage can read."""
    rules = resolve_rules(settings, modality, task)
    required = {"undecodable": modality == "image", "unknown_label": task != "classification"}
    nouns = {"undecodable": "images", "unknown_label": "targets"}
    return [
        f"clean.checks.{name}.severity: got {rules[name].severity!r}; must be drop or error for {nouns[name]}, because"
        " no later stage can read them"
        for name, is_required in required.items()
        if is_required and rules[name].severity not in {"drop", "error"}
    ]


def _option_mistakes(name: str, options: Mapping[str, Any]) -> list[str]:
    defaults, mistakes = CHECKS[name].options, []
    for option, value in options.items():
        if option == "severity":
            continue
        if option not in defaults:
            mistakes.append(f"{name}.{option}: unknown option; {choices(option, ['severity', *defaults])}")
        elif not (value is None and defaults[option] is None) and not _is_allowed(option, value):
            expected = OPTION_BOUNDS.get(option) or ("a list" if option == "known" else "columns and their [low, high]")
            mistakes.append(f"{name}.{option}: got {value!r}; must be {expected}")
    return mistakes


def _is_allowed(option: str, value: Any) -> bool:
    if option in OPTION_TYPES:
        return isinstance(value, OPTION_TYPES[option])
    bounds = OPTION_BOUNDS[option]
    if isinstance(value, bool) or not isinstance(value, int if bounds.is_integer else int | float):
        return False
    return isfinite(value) and bounds.low <= value <= bounds.high
