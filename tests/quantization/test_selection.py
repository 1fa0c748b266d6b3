import pytest

from headrace.quantization.benchmark import CandidateMetrics
from headrace.quantization.selection import Assessment, SelectionLimits, assess_candidate, find_best, select_candidate

FP32 = CandidateMetrics(quality=0.95, agreement=1.0, bytes=1000, latency_ms=1.0, batch64_ms=10.0, memory_mb=9.0)
LIMITS = SelectionLimits(max_loss=0.005, max_latency=1.25, max_size=0.6)


def assess(name: str = "int8", **metrics: float) -> Assessment:
    good = FP32._replace(quality=0.949, agreement=0.99, bytes=300)
    return assess_candidate(name, good._replace(**metrics), fp32=FP32, limits=LIMITS)


def test_assess_candidate_within_all_limits_passes() -> None:
    assessment = assess()
    assert assessment.reasons == []
    assert (assessment.loss, assessment.latency_ratio, assessment.size_ratio) == pytest.approx((0.001, 1.0, 0.3))


def test_assess_candidate_averages_both_latency_ratios() -> None:
    assert assess(latency_ms=1.4, batch64_ms=11).latency_ratio == pytest.approx(1.25)
    assert assess(latency_ms=1.4, batch64_ms=11).reasons == []


def test_assess_candidate_lists_every_reason_with_value_and_limit() -> None:
    assert assess(quality=0.0009, latency_ms=4.0, bytes=900).reasons == [
        "loses 0.9491 of fp32's accuracy 0.9500 (max_loss 0.005)",
        "takes 2.50 times fp32's time (max_latency 1.25)",
        "takes 0.90 times fp32's bytes (max_size 0.6)",
    ]


def test_find_best_prefers_passing_to_lower_loss() -> None:
    slow_but_accurate = assess("slow", quality=0.96, latency_ms=9)
    assert find_best([slow_but_accurate, assess("fit")]) == assess("fit")


def test_find_best_prefers_low_loss_then_agreement_then_order() -> None:
    better, worse = assess("better", quality=0.95), assess("worse", quality=0.947)
    assert find_best([worse, better]) == better
    alike, unlike = assess("alike", agreement=0.999), assess("unlike", agreement=0.9)
    assert find_best([unlike, alike]) == alike
    assert find_best([assess("first", latency_ms=1.1), assess("second")]) == assess("first", latency_ms=1.1)


def test_find_best_of_failed_candidates_is_none() -> None:
    assert find_best([Assessment("broken", None, 1.0, 0.0, 0.0, ["could not be made"])]) is None
    assert find_best([]) is None


def test_select_candidate_reports_the_best_candidate_and_all_others() -> None:
    int8 = FP32._replace(quality=0.949, agreement=0.99, bytes=300)
    measured = {"fp32": FP32, "large": int8._replace(bytes=900), "small": int8}
    selection = select_candidate(measured, {"broken": "could not be made"}, limits=LIMITS, quality="accuracy")
    assert selection.chosen == "small"
    choice = selection.to_json()
    assert {entry["name"]: entry["passed"] for entry in choice["candidates"]} == {
        "large": False, "small": True, "broken": False,
    }  # fmt: skip
    assert choice["limits"] == {"max_loss": 0.005, "max_latency": 1.25, "max_size": 0.6}
    metrics = selection.to_metrics()
    assert (metrics["passed"], metrics["num_candidates"]) == (1, 3)
    assert (metrics["fp32_bytes"], metrics["int8_bytes"], metrics["size_ratio"]) == (1000, 300, 0.3)
    assert (metrics["int8_accuracy"], metrics["agreement"]) == (0.949, 0.99)


def test_select_candidate_without_a_passing_candidate_reports_the_best_that_failed() -> None:
    measured = {"fp32": FP32, "large": FP32._replace(bytes=900)}
    selection = select_candidate(measured, {}, limits=LIMITS, quality="accuracy")
    assert selection.chosen is None
    assert (selection.to_metrics()["passed"], selection.to_metrics()["int8_bytes"]) == (0, 900)
