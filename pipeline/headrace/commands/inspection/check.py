"""The result of one check of `headrace doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """What one check found; `error` means that a run would fail."""

    name: str
    state: Literal["ok", "warning", "error"]
    detail: str
    """What was found, in one line."""
    remedy: str = ""
    """What to do about it; empty if the state is ok."""

    def __post_init__(self) -> None:
        """Raises ValueError for a problem without a remedy."""
        if (self.state == "ok") == bool(self.remedy):
            raise ValueError(f"{self.name}: {self.state} with the remedy {self.remedy!r}")

    def to_json(self) -> dict[str, str]:
        """Returns the fields by name."""
        return {"name": self.name, "state": self.state, "detail": self.detail, "remedy": self.remedy}
