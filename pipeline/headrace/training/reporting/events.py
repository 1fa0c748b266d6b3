"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
"""`kind` is "step" or "epoch"; with `epoch` (from 0), `step` (optimizer steps done), and figures by name."""
Observer = Callable[[Event], None]
"""Who is told: it must be quick, and must not raise."""
