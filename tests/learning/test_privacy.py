from typing import Any

import pytest

from headrace.errors import ConfigError
from headrace.learning.privacy import Privacy, clash, delta_of
from headrace.learning.settings import TrainSettings


def test_privacy_is_off_unless_asked_for() -> None:
    assert TrainSettings().privacy is None
    privacy = TrainSettings(privacy={"epsilon": 3.0}).privacy
    assert privacy == Privacy(epsilon=3.0, delta=None, clip=1.0, secure=True)


@pytest.mark.parametrize(
    ("privacy", "told"),
    [
        ({}, "train.privacy.epsilon: missing; add it"),
        ({"epsilon": 0}, "train.privacy.epsilon: got 0; must be greater than or equal to 0.01"),
        ({"epsilon": -1.5}, "train.privacy.epsilon: got -1.5; must be greater than or equal to 0.01"),
        ({"epsilon": float("inf")}, "train.privacy.epsilon: got inf; must be a finite number"),
        ({"epsilon": 3, "delta": 1}, "train.privacy.delta: got 1; must be less than 1"),
        ({"epsilon": 3, "clip": 0}, "train.privacy.clip: got 0; must be greater than 0"),
        ({"epsilon": 3, "clipp": 1},
         "train.privacy.clipp: unknown key; choose one of ['clip', 'delta', 'epsilon', 'secure'] "
         "(did you mean 'clip'?)"),
    ],
)  # fmt: skip
def test_privacy_of_a_mistake_tells_its_full_key(privacy: dict[str, Any], told: str) -> None:
    assert refusal(privacy=privacy) == told


def test_privacy_does_not_go_with_another_clip() -> None:
    assert refusal(privacy={"epsilon": 3}, gradient_clip=1.0) == (
        "train.privacy: does not go with train.gradient_clip: 1.0, since privacy.clip bounds each row's gradient in "
        "its place; take one of them out"
    )
    assert TrainSettings(gradient_clip=1.0).gradient_clip == 1.0


def test_delta_is_by_default_below_one_over_the_rows() -> None:
    assert delta_of(Privacy(epsilon=1.0), 1000) == pytest.approx(1000**-1.1)
    assert delta_of(Privacy(epsilon=1.0, delta=1e-5), 1000) == 1e-5


@pytest.mark.parametrize("delta", [0.001, 0.5])
def test_delta_of_one_over_the_rows_is_refused(delta: float) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.privacy\.delta: .* is no protection of 1000 train"):
        delta_of(Privacy(epsilon=1.0, delta=delta), 1000)


def test_a_single_row_cannot_be_protected() -> None:
    with pytest.raises(ConfigError, match=r"train\.privacy\.delta"):
        delta_of(Privacy(epsilon=1.0), 1)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"mixup": 0.2}, "does not go with train.mixup: 0.2, since a row would be in the gradients of others"),
        ({"accumulate": 4}, "does not go with train.accumulate: 4"),
        ({"sampling": "balanced"}, "does not go with train.sampling: balanced"),
        ({"strategy": "fsdp"}, "does not go with train.strategy: fsdp"),
        ({"learning_rate": "auto"}, "does not go with train.learning_rate: auto, since it is found by trainings"),
    ],
)
def test_settings_that_would_undo_the_accounting_clash(other: dict[str, Any], told: str) -> None:
    defaults = {"mixup": 0.0, "accumulate": 1, "sampling": "shuffled", "strategy": "ddp", "learning_rate": 1e-3}
    assert clash(defaults, defaults) is None
    assert (clash({**defaults, **other}, defaults) or "").startswith(told)
