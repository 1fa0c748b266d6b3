"""The section `train` of `params.yaml`."""

from __future__ import annotations

from headrace.training.settings import TrainSettings


class Config(TrainSettings):
    """How the network is trained; its keys are in `headrace.training.settings`, because `tune` varies them too."""
