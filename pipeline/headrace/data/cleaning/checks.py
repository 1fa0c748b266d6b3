"""CHECKS: every check that rows, columns and classes go through, and what happens where it finds something.

What `clean.checks` may hold: severities that a check can have, and the ranges of its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from headrace.contracts import Json, ModalityName, TaskName
from headrace.errors import ConfigError, choices

Severity: TypeAlias = Literal["error", "drop", "repair", "warn", "off"]
"""Stop; leave the row (or column) out; mend the value and keep the old one beside it; only tell; do not look."""
ALL: tuple[ModalityName, ...] = get_args(ModalityName)


class Check(NamedTuple):
    """One entry of the table."""

    about: str
    """What it finds, for the report."""
    severity: Severity
    modalities: tuple[ModalityName, ...] = ALL
    options: Json = {}
    """Name -> default; `clean.checks.<name>.<option>` overrides it."""
    softer: Mapping[ModalityName, Severity] = {}
    """Other severities by modality."""
    of: Literal["row", "column", "set"] = "row"
    """What a finding is about."""
    not_of: tuple[TaskName, ...] = ()
    """Tasks that it makes no sense for."""


CHECKS: dict[str, Check] = {
    # of all
    "missing_label": Check("rows without a label", "drop"),
    "unknown_label": Check(
        "labels outside `known`; no list of labels, no finite number", "drop", options={"known": None}
    ),
    "duplicate": Check("the same content again", "drop"),
    "conflicting_labels": Check("the same content under different labels", "drop", softer={"table": "warn"}),
    "near_duplicate": Check("almost the same content", "warn", ("image", "text"), {"similarity": None}),
    "rare_class": Check("classes of fewer than `min_rows` rows", "error", options={"min_rows": 3}),
    "imbalance": Check(
        "the largest class has more than `max_ratio` times the rows of the smallest",
        "warn",
        options={"max_ratio": 10.0},
        of="set",
    ),
    "label_error": Check(
        "labels that the rest of the rows speak against (confident learning, of at most `max_rows` rows)",
        "warn",
        options={"max_rows": 20_000, "folds": 5},
        not_of=("multilabel",),
    ),
    "leakage": Check(
        "columns that tell the target by themselves",
        "warn",
        ("table",),
        {"min_score": 0.999},
        of="column",
        not_of=("multilabel",),
    ),
    # of images
    "undecodable": Check("broken, truncated or empty content", "drop", ("image", "text"), {"max_share": 0.0}),
    "mode": Check("images neither grey nor RGB, but read so (CMYK, 16 bits, palette, alpha)", "repair", ("image",)),
    "size_outlier": Check("images far smaller or larger than most, by robust z-score", "warn", ("image",), {"z": 8.0}),
    "aspect_outlier": Check("images with a side `max_ratio` times the other", "warn", ("image",), {"max_ratio": 4.0}),
    "blank": Check("images of one colour: levels deviate by less than `below`", "drop", ("image",), {"below": 1.0}),
    "dark": Check("images whose 99th percentile of grey levels is under `below`", "warn", ("image",), {"below": 32.0}),
    "bright": Check("images whose 1st percentile of grey levels is over `above`", "warn", ("image",), {"above": 224.0}),
    "blurred": Check("images whose Laplacian deviates by less than `below`", "warn", ("image",), {"below": 2.0}),
    # of text
    "empty": Check("nothing but white space; in tables: no cell has a value", "drop", ("text", "table")),
    "control_characters": Check("control characters and byte order marks", "repair", ("text",)),
    "markup": Check("HTML tags and entities", "repair", ("text",)),
    "length_outlier": Check("texts far longer or shorter than most, by robust z-score", "warn", ("text",), {"z": 8.0}),
    # of tables
    "missing_cell": Check("columns with missing cells; normalize fills them", "warn", ("table",), of="column"),
    "constant_column": Check("columns of one value", "drop", ("table",), of="column"),
    "duplicate_column": Check("columns that repeat another", "drop", ("table",), of="column"),
    "id_column": Check(
        "categorical columns with more than `max_share` distinct values a row",
        "drop",
        ("table",),
        {"max_share": 0.5},
        of="column",
    ),
    "mixed_types": Check("cells that are no number in a numeric column", "repair", ("table",)),
    "out_of_range": Check(
        "numbers outside `ranges` ({column: [low, high]}), or infinite", "repair", ("table",), {"ranges": {}}
    ),
    "impossible_date": Check(
        "dates that no calendar has, or outside the years `from` to `to`",
        "repair",
        ("table",),
        {"from": 1677, "to": 2261},
    ),
    "outlier": Check("numbers far from their column's median, by robust z-score", "warn", ("table",), {"z": 12.0}),
}


class Rule(NamedTuple):
    """A check as the settings have it."""

    severity: Severity
    options: Json


def rules(settings: Mapping[str, Any], modality: ModalityName, task: TaskName = "classification") -> dict[str, Rule]:
    """The checks of a modality and a task as `clean.checks` has them."""
    made = {}
    for name, check in CHECKS.items():
        if modality not in check.modalities or task in check.not_of:
            continue
        severity = check.softer.get(modality, check.severity)
        given = settings.get(name, {})
        given = {"severity": given} if isinstance(given, str) else dict(given)
        made[name] = Rule(given.pop("severity", severity), check.options | given)
    return made


def left_out(modality: ModalityName, task: TaskName) -> list[tuple[str, str]]:
    """Checks that this task goes without, and why: remarks for the report."""
    return [
        (name, f"not looked for: it makes no sense for {task}")
        for name, check in CHECKS.items()
        if modality in check.modalities and task in check.not_of
    ]


class Bounds(NamedTuple):
    """Numbers that an option may be."""

    low: float
    high: float = inf
    is_whole: bool = False

    def __str__(self) -> str:
        """For example: a whole number of at least 1."""
        kind = "a whole number" if self.is_whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}" if self.high < inf else f"{kind} of at least {self.low:g}"


BOUNDS: dict[str, Bounds] = {
    "min_rows": Bounds(1, is_whole=True),
    "max_rows": Bounds(1, is_whole=True),
    "folds": Bounds(2, is_whole=True),
    "max_ratio": Bounds(1),
    "z": Bounds(0),
    "similarity": Bounds(0, 1),
    "min_score": Bounds(0, 1),
    "max_share": Bounds(0, 1),
    "below": Bounds(0, 256),
    "above": Bounds(-1, 255),
    "from": Bounds(-9999, 9999, is_whole=True),
    "to": Bounds(-9999, 9999, is_whole=True),
}
"""By name of an option, whatever the check."""
KINDS: dict[str, type] = {"known": list, "ranges": dict}
"""Of the options that are no numbers."""


def validate_checks(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with `clean.checks`: a clause each, that begins with the key below it."""
    found = []
    for name, given in settings.items():
        if name not in CHECKS:
            found.append(f"{name}: unknown check; {choices(name, CHECKS)}")
            continue
        options = {"severity": given} if isinstance(given, str) else given
        severity, allowed = options.get("severity", "warn"), severities(name)
        if "severity" in options and severity not in allowed:
            found.append(f"{name}.severity: got {severity!r}; {choices(str(severity), allowed)}")
        found += _option_mistakes(name, options)
    return found


def severities(name: str) -> list[Severity]:
    """Those that make sense for a check: a row cannot be told its label, and the set as a whole cannot be left out."""
    check = CHECKS[name]
    without: set[Severity] = set() if check.severity == "repair" else {"repair"}
    if check.of == "set":
        without.add("drop")
    if name == "missing_label":
        without |= {"warn", "off"}
    return [severity for severity in get_args(Severity) if severity not in without]


def check_required_severities(rules: Mapping[str, Rule], modality: ModalityName, task: TaskName) -> None:
    """Raises ConfigError where rows would go on that no later stage can read."""
    needed = {"undecodable": modality == "image", "unknown_label": task != "classification"}
    for name, is_needed in needed.items():
        if is_needed and rules[name].severity not in {"drop", "error"}:
            kind = "images" if name == "undecodable" else "targets"
            raise ConfigError(
                f"params.yaml: clean.checks.{name}.severity: got {rules[name].severity!r}; must be drop or error for"
                f" {kind}, which nothing can be learned from"
            )


def _option_mistakes(name: str, options: Mapping[str, Any]) -> list[str]:
    known, found = CHECKS[name].options, []
    for option, value in options.items():
        if option == "severity":
            continue
        if option not in known:
            found.append(f"{name}.{option}: unknown option; {choices(option, ['severity', *known])}")
        elif not (value is None and known[option] is None) and not _is_allowed(option, value):
            wanted = BOUNDS.get(option) or ("a list" if option == "known" else "columns and their [low, high]")
            found.append(f"{name}.{option}: got {value!r}; must be {wanted}")
    return found


def _is_allowed(option: str, value: Any) -> bool:
    if option in KINDS:
        return isinstance(value, KINDS[option])
    bounds = BOUNDS[option]
    if isinstance(value, bool) or not isinstance(value, int if bounds.is_whole else int | float):
        return False
    return isfinite(value) and bounds.low <= value <= bounds.high
