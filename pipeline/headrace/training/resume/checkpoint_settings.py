"""The section `train.checkpoint`: how often the state of a training is saved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.config import Section


class Checkpoint(Section):
    """When the state is saved from which a training that was killed goes on; both intervals 0: never."""

    every_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps between two states; 0 disables it. Such a state is saved whatever it costs."""
    every_minutes: Annotated[float, Field(ge=0)] = 0.1
    """Minutes between two states; 0 disables it.

    They are saved less often where that would take more than one percent of the time. The state is also saved at the
    end of an epoch, under the same limit, and when the process is asked to end (SIGTERM, Ctrl-C).
    """
    keep: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of states on disk: if the newest is damaged, the one before it is used."""
