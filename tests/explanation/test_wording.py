from typing import get_args

import pytest

from headrace.contracts import Metrics, TaskName
from headrace.explanation.row_selection import CLASS_GROUPS, TEST_GROUP, VALUE_GROUPS
from headrace.explanation.sanity_check import MAX_SIMILARITY
from headrace.explanation.wording import (
    TASK_WORDINGS,
    claim_faithfulness,
    claim_sanity,
    format_gain,
    format_interval,
)


def gains(deletion: float, insertion: float, half_width: float = 0.02) -> Metrics:
    pairs = {"deletion": deletion, "insertion": insertion}
    ends = {f"{name}_{end}": value + sign * half_width for name, value in pairs.items() for end, sign in ENDS.items()}
    return {**pairs, **ends}


ENDS = {"low": -1, "high": 1}


def test_every_task_has_headings_for_its_groups_of_examples():
    assert TASK_WORDINGS.keys() == set(get_args(TaskName))
    for task, wording in TASK_WORDINGS.items():
        assert tuple(wording.groups) == (TEST_GROUP, *(VALUE_GROUPS if task == "regression" else CLASS_GROUPS))


def test_what_is_shown_is_said():
    assert claim_faithfulness(gains(0.2, 0.1), "integrated gradients", "pixels") == (
        "Integrated gradients: on average over these rows, they mark pixels that the model uses."
    )


def test_what_is_shown_in_part_names_the_part():
    claim = claim_faithfulness(gains(0.2, 0.0), "Grad-CAM", "pixels")
    assert "only in part" in claim
    assert "deletion" in claim
    assert "insertion" not in claim


@pytest.mark.parametrize("metrics", [gains(0.031, 0.02), gains(0.1, 0.1, 0.2), gains(-0.2, -0.1)], ids=str)
def test_small_and_uncertain_gains_are_not_said_to_show_what_the_model_uses(metrics: Metrics):
    claim = claim_faithfulness(metrics, "attention rollout", "tokens")
    assert "not shown to mark tokens that the model uses" in claim
    assert "Do not explain a decision by them" in claim


def test_method_that_ignores_the_weights_is_reported():
    assert claim_sanity(None, "occlusion") == claim_sanity(MAX_SIMILARITY - 0.1, "occlusion") == ""
    claim = claim_sanity(0.93, "occlusion")
    assert claim.startswith("Occlusion: they hardly depend on what the model has learned")
    assert "0.93" in claim


def test_gain_is_formatted_with_its_interval():
    assert format_gain(gains(0.1234, 0.1, 0.02), "deletion") == "+0.123 (0.103 to 0.143)"
    assert format_interval({"deletion": 0.1, "insertion": 0.1}, "deletion") == "a single row has no interval"
