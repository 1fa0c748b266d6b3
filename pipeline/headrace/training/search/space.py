"""Where settings of `train` are searched: what is drawn there, and which places the section would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from random import Random
from typing import Any

from pydantic import ValidationError

from headrace.config import mistakes_of
from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.training.settings import TrainSettings

Space = dict[str, Json]
"""Key of `train`, or `key.option` -> {low, high, log, step} or {choices}."""
FIXED = {
    "max_epochs": "tune.max_epochs bounds trials",
    "num_workers": "a trial has one process",
    "num_threads": "a trial has one core",
    "privacy": "every trial would spend all of it",
}
ATTEMPTS = 50


def draw_trials(space: Space, num_trials: int, seed: int) -> list[Json]:
    """Settings of each trial, no two alike; fewer where the space holds no more.

    A longer search begins with the trials of a shorter one.
    """
    drawn: list[Json] = []
    for attempt in range(num_trials * ATTEMPTS):
        random = Random(f"{seed}/{attempt}")  # of a string: the same in every version
        trial = {name: _draw(entry, random) for name, entry in space.items()}
        if trial not in drawn:
            drawn.append(trial)
        if len(drawn) == num_trials:
            break
    return drawn


def _draw(entry: Json, random: Random) -> Any:
    if entry["choices"] is not None:
        return random.choice(entry["choices"])
    low, high, step = entry["low"], entry["high"], entry["step"]
    if step is not None:
        return low + step * random.randint(0, int((high - low) / step + 1e-9))
    if isinstance(low, int) and isinstance(high, int):
        drawn = exp(random.uniform(log(low), log(high + 1))) if entry["log"] else random.uniform(low, high + 1)
        return min(int(drawn), high)
    return exp(random.uniform(log(low), log(high))) if entry["log"] else random.uniform(low, high)


def with_drawn(base: Json, drawn: Json) -> Json:
    """The values of `base` with those of a trial in place: whole keys first, then single options of them.

    A plain name (`optimizer: adam`) becomes `{name: adam}` where an option is drawn beside it.
    """
    settings = dict(base)
    for key, value in sorted(drawn.items(), key=lambda item: "." in item[0]):
        head, _, option = key.partition(".")
        if not option or (option == "name" and isinstance(settings.get(head), str)):
            settings[head] = value
        else:
            before = settings.get(head)
            whole = {"name": before} if isinstance(before, str) else before
            settings[head] = {**whole, option: value} if isinstance(whole, dict) else {option: value}
    return settings


def check_space(space: Space, base: Json) -> None:
    """Refuses keys that `train` does not have, and ends and choices that it refuses whatever is drawn beside them."""
    for key, entry in space.items():
        head = key.partition(".")[0]
        if head in FIXED:
            raise ConfigError(f"params.yaml: tune.space.{key}: is not searched: {FIXED[head]}; leave it out")
        values = entry["choices"] if entry["choices"] is not None else [entry["low"], entry["high"]]
        for value in values:
            refusals = [_refusal(key, with_drawn(beside, {key: value})) for beside in _beside(space, base, key)]
            if all(refusals):
                raise ConfigError(f"params.yaml: {refusals[0]}")


def _beside(space: Space, base: Json, key: str) -> Iterator[Json]:
    """What a value may stand beside: the choices of the model whose option it is, or `base` alone."""
    head, _, option = key.partition(".")
    names = [name for name in (head, f"{head}.name") if name in space and space[name]["choices"]]
    if not option or not names or option == "name":
        yield base
        return
    for name in names:
        for choice in space[name]["choices"]:
            yield with_drawn(base, {name: choice})


def _refusal(key: str, settings: Json) -> str:
    """What the section says against the value of `key`; empty where it is content with that one."""
    try:
        TrainSettings.model_validate(settings)
    except ValidationError as error:
        places = {f"tune.space.{key}", f"tune.space.{key.partition('.')[0]}"}
        for mistake in mistakes_of(error, TrainSettings, "tune.space"):
            for clause in mistake.split("; and "):
                place = clause.partition(": ")[0]
                if place in places or place.startswith(f"tune.space.{key}."):
                    return clause
    return ""
