import pytest

from headrace.commands.source.rules import (
    LEAD,
    TRAINING_RULES,
    choose_fractions,
    choose_image_side,
    choose_lead,
    find_training_rule,
    make_cnn,
)
from headrace.contracts import ModalityName
from headrace.models import find_model


@pytest.mark.parametrize("modality", list(TRAINING_RULES))
def test_every_number_of_rows_has_a_rule_and_more_rows_never_a_smaller_batch(modality: ModalityName) -> None:
    rules = [find_training_rule(modality, num_rows) for num_rows in (1, 499, 500, 4_999, 5_000, 10**9)]
    assert {rule.reason for rule in rules} == {rule.reason for rule in TRAINING_RULES[modality]}
    assert [rule.batch_size for rule in rules] == sorted(rule.batch_size for rule in rules)
    assert all(bool(rule.image_side) == (modality == "image") for rule in rules)


@pytest.mark.parametrize("side", [4, 8, 9, 28, 32, 64, 96, 128, 500])
def test_cnn_fits_images_of_any_size(side: int) -> None:
    model = make_cnn(side)
    find_model(model, "model").build([side, side, 3], 2)
    assert model["blocks"].count("pool") * 2 == len(model["blocks"])


def test_image_side_is_that_of_the_images_unless_they_are_large() -> None:
    rule = find_training_rule("image", 60)
    assert choose_image_side([10, 20, 500], rule) == 20
    assert choose_image_side([300, 400, 500], rule) == choose_image_side([], rule) == rule.image_side


@pytest.mark.parametrize(
    ("shares", "lead"), [({}, LEAD), ({"a": 0.5, "b": 0.5}, LEAD), ({"a": 0.99, "b": 0.01}, 0.002), ({"a": 1.0}, 0)]
)
def test_lead_can_be_reached(shares: dict[str, float], lead: float) -> None:
    assert choose_lead(shares) == pytest.approx(lead)


def test_fractions_depend_on_the_number_of_rows() -> None:
    assert choose_fractions(400) == [0.7, 0.15, 0.15]
    assert sum(choose_fractions(10**6)) == pytest.approx(1)
    assert choose_fractions(10**6)[0] > choose_fractions(400)[0]
