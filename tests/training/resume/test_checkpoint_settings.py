import pytest
from pydantic import ValidationError

from headrace.training.resume.checkpoint_settings import Checkpoint
from headrace.training.settings import TrainSettings


def test_state_is_saved_by_the_clock_by_default_and_two_stay() -> None:
    checkpoint = TrainSettings().checkpoint
    assert checkpoint.every_minutes > 0
    assert (checkpoint.every_steps, checkpoint.keep) == (0, 2)


@pytest.mark.parametrize("values", [{"keep": 0}, {"keep": 101}, {"every_steps": -1}, {"every_minutes": -0.1}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        Checkpoint.model_validate(values)
