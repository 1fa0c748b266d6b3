import pytest

from headrace.quantization.benchmark import Figures
from headrace.quantization.selection import SelectionLimits, Verdict, judge, nearest

FP32 = Figures(quality=0.95, agreement=1.0, bytes=1000, latency_ms=1.0, batch64_ms=10.0, memory_mb=9.0)
LIMITS = SelectionLimits(max_loss=0.005, max_latency=1.25, max_size=0.6)


def judged(name: str = "made", **figures: float) -> Verdict:
    good = FP32._replace(quality=0.949, agreement=0.99, bytes=300)
    return judge(name, good._replace(**figures), fp32=FP32, limits=LIMITS)


def test_candidate_within_all_limits_passes() -> None:
    verdict = judged()
    assert verdict.reasons == []
    assert (verdict.loss, verdict.latency_ratio, verdict.size_ratio) == pytest.approx((0.001, 1.0, 0.3))


def test_latency_is_the_mean_of_both_ratios() -> None:
    assert judged(latency_ms=1.4, batch64_ms=11).latency_ratio == pytest.approx(1.25)
    assert judged(latency_ms=1.4, batch64_ms=11).reasons == []


def test_candidate_that_fails_says_every_reason_with_figure_and_limit() -> None:
    assert judged(quality=0.0009, latency_ms=4.0, bytes=900).reasons == [
        "loses 0.9491 of fp32's accuracy 0.9500 (max_loss 0.005)",
        "takes 2.50 times fp32's time (max_latency 1.25)",
        "takes 0.90 times fp32's bytes (max_size 0.6)",
    ]


def test_nearest_takes_what_passes_before_what_loses_less() -> None:
    slow_but_right = judged("slow", quality=0.96, latency_ms=9)
    assert nearest([slow_but_right, judged("fit")]) == judged("fit")


def test_nearest_takes_least_loss_then_agreement_then_the_first() -> None:
    right, wrong = judged("right", quality=0.95), judged("wrong", quality=0.947)
    assert nearest([wrong, right]) == right
    alike, unlike = judged("alike", agreement=0.999), judged("unlike", agreement=0.9)
    assert nearest([unlike, alike]) == alike
    assert nearest([judged("first", latency_ms=1.1), judged("second")]) == judged("first", latency_ms=1.1)


def test_nearest_of_what_could_not_be_made_is_none() -> None:
    assert nearest([Verdict("broken", None, 1.0, 0.0, 0.0, ["could not be made"])]) is None
    assert nearest([]) is None
