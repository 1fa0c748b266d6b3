"""The section `clean` of `params.yaml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from headrace.config import Section
from headrace.data.cleaning.checks import validate_checks


class Config(Section):
    """Which rows are accepted."""

    checks: dict[str, str | dict[str, Any]] = {}
    """Check -> its severity (error, drop, repair, warn, off), or a mapping with severity and options.

    For example `{blurred: drop, rare_class: {severity: drop, min_rows: 10}}`; docs/checks.md lists all checks.
    """
    max_quarantined: float = Field(default=0.5, ge=0, le=1)
    """Fraction of the rows with a usable target that may be rejected; beyond it the stage stops."""
    max_rejected_targets: float = Field(default=0.6, ge=0, le=1)
    """Fraction of all rows that may be rejected because their target is missing or invalid."""
    engine: Literal["auto", "local", "ray"] = "auto"
    """local: processes on this machine; ray: Ray Data; auto: ray inside a Ray job if the data are large."""

    @field_validator("checks")
    @classmethod
    def _checks_are_valid(cls, settings: dict[str, Any]) -> dict[str, Any]:
        mistakes = validate_checks(settings)
        if mistakes:
            raise ValueError("; and ".join(f"checks.{mistake}" for mistake in mistakes))
        return settings
