"""What `clean.checks` may hold: severities that a check can have, and the ranges of its options."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, NamedTuple, get_args

from headrace.cleaning.checks import CHECKS, Rule, Severity
from headrace.contracts import ModalityName, TaskName
from headrace.errors import ConfigError, choices


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


def mistakes(settings: Mapping[str, Any]) -> list[str]:
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


def refuse_useless(rules: Mapping[str, Rule], modality: ModalityName, task: TaskName) -> None:
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
