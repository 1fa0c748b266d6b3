"""Selection: a candidate must be accurate enough and clearly smaller or quicker; noise decides nothing."""

import numpy as np
import pytest

from headrace.quantization.benchmark import GraphMetrics, Interval
from headrace.quantization.selection import (
    Assessment,
    Measured,
    SelectionLimits,
    assess_candidate,
    find_best,
    select_candidate,
)

LIMITS = SelectionLimits(max_loss=0.005, max_latency=1.25, max_size=0.6)
ONES = np.ones(1000)


def graph(num_bytes: int = 300, low: float = 0.95, high: float = 1.05) -> GraphMetrics:
    return GraphMetrics(num_bytes, 1.0, 10.0, Interval((low + high) / 2, low, high), 9.0)


def measured(*, wrong: int = 0, difference: float = 0.0, **options: float) -> Measured:
    """A graph that is wrong about the last `wrong` of 1,000 rows."""
    correct = ONES.copy()
    correct[1000 - wrong :] = 0
    return Measured(graph(**options), correct, 0.99, difference)  # type: ignore[arg-type]


FP32 = measured(wrong=50, num_bytes=1000, low=1.0, high=1.0)


def assess(name: str = "int8", *, wrong: int = 50, **options: float) -> Assessment:
    return assess_candidate(name, measured(wrong=wrong, **options), fp32=FP32, limits=LIMITS)


def test_candidate_within_all_limits_passes() -> None:
    assessment = assess(wrong=54)
    assert assessment.reasons == []
    assert assessment.loss[0] == pytest.approx(0.004)
    assert assessment.loss[1] < 0.004 < assessment.loss[2]
    assert assessment.size_ratio == 0.3


def test_candidate_has_every_reason_with_value_and_limit() -> None:
    assert assess(wrong=999, low=1.3, high=1.4, num_bytes=900, difference=0.39).reasons == [
        "answers a row differently beside other rows (by 0.39 standard deviations; at most 0.02)",
        "loses 0.9490 of fp32's accuracy 0.9500 (max_loss 0.005)",
        "takes 1.30 to 1.40 times fp32's time (max_latency 1.25)",
        "is neither clearly smaller (0.90 times fp32's bytes; max_size 0.6) nor clearly quicker (1.30 to 1.40 times "
        "fp32's time)",
    ]


def test_time_rejects_only_beyond_doubt() -> None:
    assert assess(low=1.2, high=1.4).reasons == []


def test_larger_candidate_passes_if_it_is_clearly_quicker() -> None:
    assert assess(num_bytes=990, low=0.5, high=0.89).reasons == []
    assert len(assess(num_bytes=990, low=0.5, high=0.95).reasons) == 1


def best(*assessments: Assessment) -> str:
    found = find_best(list(assessments))
    assert found is not None
    return found.name


def test_best_passes() -> None:
    assert best(assess("slow", wrong=0, low=9, high=10), assess("fit")) == "fit"


def test_quality_decides_only_beyond_its_interval() -> None:
    first, slightly_better, better = assess("first", wrong=55), assess("second", wrong=53), assess("third", wrong=30)
    assert best(first, slightly_better) == "first"
    assert best(first, better) == "third"
    assert best(better, first) == "third"


def test_between_equals_the_smaller_file_wins_then_the_quicker_then_the_first() -> None:
    first = assess("first", num_bytes=300)
    assert best(first, assess("same size", num_bytes=290)) == "first"
    assert best(first, assess("smaller", num_bytes=280)) == "smaller"
    assert best(first, assess("larger and quicker", num_bytes=320, low=0.3, high=0.4)) == "first"
    assert best(first, assess("quicker", low=0.3, high=0.4)) == "quicker"
    assert best(first, assess("perhaps quicker", low=0.7, high=1.0)) == "first"


def test_best_of_failed_candidates_is_none() -> None:
    assert find_best([Assessment("broken", None, (1.0, 1.0, 1.0), 0.0, ["could not be made"])]) is None
    assert find_best([]) is None


def test_selection_describes_the_best_candidate_and_all_others() -> None:
    candidates = {"fp32": FP32, "large": measured(wrong=50, num_bytes=900), "small": measured(wrong=51)}
    selection = select_candidate(candidates, {"broken": "could not be made"}, limits=LIMITS, quality="accuracy")
    choice = selection.to_json()
    assert (choice["chosen"], choice["precision"]) == ("small", "int8")
    assert choice["reason"] == (
        "small takes 0.30 times fp32's bytes and 0.95 to 1.05 times its time, and loses 0.0010 of its accuracy 0.9500"
    )
    assert {entry["name"]: entry["passed"] for entry in choice["candidates"]} == {
        "large": False, "small": True, "broken": False,
    }  # fmt: skip
    metrics = selection.to_metrics()
    assert (metrics["passed"], metrics["num_candidates"]) == (1, 3)
    assert (metrics["fp32_bytes"], metrics["int8_bytes"], metrics["size_ratio"]) == (1000, 300, 0.3)
    assert (metrics["int8_accuracy"], metrics["agreement"]) == (0.949, 0.99)
    assert metrics["accuracy_lost"] == pytest.approx(0.001)


def test_selection_without_a_passing_candidate_is_float32_and_says_why() -> None:
    candidates = {"fp32": FP32, "large": measured(wrong=50, num_bytes=900)}
    selection = select_candidate(candidates, {}, limits=LIMITS, quality="accuracy")
    choice = selection.to_json()
    assert (choice["chosen"], choice["precision"]) == (None, "float32")
    assert choice["reason"].startswith("float32 is served, because no int8 candidate passed: large is neither clearly")
    assert (selection.to_metrics()["passed"], selection.to_metrics()["int8_bytes"]) == (0, 900)
