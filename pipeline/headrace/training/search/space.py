"""The space of a search over settings of `train`: checks it, and draws trials from it."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from random import Random
from typing import Any

from pydantic import ValidationError

from headrace.config import describe_errors
from headrace.contracts import Json
from headrace.training.settings import TrainSettings

Space = dict[str, Json]
"""Key of `train`, or `key.option` -> {low, high, log, step} or {choices}."""
FIXED = {
    "max_epochs": "tune.max_epochs limits the trials",
    "num_workers": "a trial has one process",
    "num_threads": "a trial has one core",
    "privacy": "every trial would spend all of it",
}
"""Key of `train` that cannot be searched -> the reason."""
ATTEMPTS_PER_TRIAL = 50


def draw_trials(space: Space, num_trials: int, seed: int) -> list[Json]:
    """Returns distinct settings for each trial; fewer than `num_trials` if the space is too small.

    A longer search starts with the trials of a shorter one.
    """
    drawn: list[Json] = []
    for attempt in range(num_trials * ATTEMPTS_PER_TRIAL):
        random = Random(f"{seed}/{attempt}")  # seeded by a string: the same in every version of Python
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


def apply_drawn(base: Json, drawn: Json) -> Json:
    """Returns `base` with the values of a trial: first complete keys, then single options of them.

    A plain name (`optimizer: adam`) becomes `{name: adam}` if one of its options is drawn too.
    """
    settings = dict(base)
    for key, value in sorted(drawn.items(), key=lambda item: "." in item[0]):
        head, _, option = key.partition(".")
        if not option or (option == "name" and isinstance(settings.get(head), str)):
            settings[head] = value
        else:
            current = settings.get(head)
            options = {"name": current} if isinstance(current, str) else current
            settings[head] = {**options, option: value} if isinstance(options, dict) else {option: value}
    return settings


def find_space_mistakes(space: Space, base: Json) -> list[str]:
    """Returns a clause for each unknown key, and for bounds and choices that are invalid whatever else is drawn."""
    mistakes = []
    for key, entry in space.items():
        head = key.partition(".")[0]
        if head in FIXED:
            mistakes.append(f"tune.space.{key}: cannot be searched: {FIXED[head]}; remove it")
            continue
        values = entry["choices"] if entry["choices"] is not None else [entry["low"], entry["high"]]
        for value in values:
            errors = [_find_error(key, apply_drawn(others, {key: value})) for others in _list_others(space, base, key)]
            if all(errors):
                mistakes.append(errors[0])
    return list(dict.fromkeys(mistakes))


def _list_others(space: Space, base: Json, key: str) -> Iterator[Json]:
    """Yields the settings that a value may be combined with: each choice of its model or optimizer, or `base`."""
    head, _, option = key.partition(".")
    names = [name for name in (head, f"{head}.name") if name in space and space[name]["choices"]]
    if not option or not names or option == "name":
        yield base
        return
    for name in names:
        for choice in space[name]["choices"]:
            yield apply_drawn(base, {name: choice})


def _find_error(key: str, settings: Json) -> str:
    """Returns the error of `train` about the value of `key`, or "" if it is valid."""
    try:
        TrainSettings.model_validate(settings)
    except ValidationError as error:
        places = {f"tune.space.{key}", f"tune.space.{key.partition('.')[0]}"}
        for line in describe_errors(error, TrainSettings, "tune.space"):
            for clause in line.split("; and "):
                place = clause.partition(": ")[0]
                if place in places or place.startswith(f"tune.space.{key}."):
                    return clause
    return ""
