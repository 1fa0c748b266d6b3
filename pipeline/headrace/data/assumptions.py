"""What the stages up to `normalize` assumed about the data: for the terminal, and for `reports/assumptions.json`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from headrace.contracts import Assumption, Json

log = logging.getLogger(__name__)


def warn_of_assumptions(assumptions: Iterable[Assumption]) -> None:
    """Logs those that may well be wrong, one line each, with the setting that changes them."""
    for assumption in assumptions:
        if assumption.is_warning:
            log.warning("%s: %s; to change it: %s", assumption.subject, assumption.text, assumption.setting)


def to_json(assumptions: Iterable[Assumption]) -> Json:
    """Returns the content of `reports/assumptions.json`."""
    return {"assumptions": [assumption.model_dump() for assumption in assumptions]}
