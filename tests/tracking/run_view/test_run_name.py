"""The name of a run says what differs from the one before it."""

from typing import Any

import pytest

from headrace.tracking.run_view.run_name import describe_difference, make_run_name

PARAMS = {"model.name": "cnn", "model.width": "32", "learning_rate": "0.01", "num_threads": "2"}
LINEAGE = {"git_commit": "a1b2c3d4e5", "git_dirty": False, "code": "c0", "data": {"raw": "r0"}}
TAGS = {"headrace.code": "c0", "headrace.data.raw": "r0"}


def name(params: dict[str, str] | None = None, lineage: dict[str, Any] | None = None, **card: str) -> str:
    full = {"model": {"name": "cnn"}, "lineage": LINEAGE | (lineage or {}), **card}
    return make_run_name(full, PARAMS | (params or {}), (PARAMS, TAGS))


@pytest.mark.parametrize(
    ("params", "lineage", "expected"),
    [
        ({"learning_rate": "0.0200000001"}, {}, "cnn lr=0.02 @a1b2c3d"),
        ({"model.width": "64", "num_threads": "4"}, {"git_dirty": True}, "cnn width=64 @a1b2c3d-dirty"),
        ({"num_threads": "4"}, {"git_commit": ""}, "cnn num_threads=4"),
        ({"clean.checks.rare_class": "drop"}, {}, "cnn clean.checks.rare_class=drop @a1b2c3d"),
        ({"model.name": "mlp"}, {}, "cnn again @a1b2c3d"),
        ({}, {"data": {"raw": "r1"}, "code": "c1"}, "cnn other data @a1b2c3d"),
        ({}, {"data": {"raw": ""}, "code": "c1"}, "cnn other code @a1b2c3d"),
    ],
)
def test_name_has_what_differs_and_the_commit(params: Any, lineage: Any, expected: str) -> None:
    assert name(params, lineage) == expected


def test_first_run_and_experiments_of_dvc() -> None:
    card = {"model": {"name": "cnn"}, "lineage": LINEAGE, "experiment": "puffy-cat"}
    assert make_run_name(card, PARAMS, ({}, {})) == "cnn @a1b2c3d (puffy-cat)"
    assert len(make_run_name({**card, "experiment": "x" * 300}, PARAMS, ({}, {}))) == 250


def test_difference_shows_three_and_counts_the_rest() -> None:
    before = {"gone": "1", "same": "1", "blocks": "[1]"}
    now = {"a": "1", "b": "True", "same": "1", "blocks": "['pool', 64, 'pool', 128, 'pool', 256]"}
    shown = describe_difference(before, now)
    assert shown == "a=1 b=True blocks=['pool',64,'pool',128... +1"
    assert describe_difference({"gone": "1"}, {}) == "gone=-"
    assert describe_difference({"model.name": "mlp"}, {"model.name": "cnn"}) == "model=cnn"
    assert describe_difference(now, now) == ""
