"""What was decided for a training, kept beside its resume state: one that was killed goes on with the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from headrace.contracts import Json
from headrace.storage.atomic import write_json

CHOICE = "choice.json"


def kept(work_dir: Path, decide: Callable[[], Json]) -> Json:
    """What an earlier start of the same training decided, or what `decide` says now."""
    path = work_dir / CHOICE
    if not path.is_file():
        write_json(path, decide())
    found: Json = json.loads(path.read_bytes())
    return found
