"""The choice: which candidates are small, fast and right enough, and the best of them."""

from __future__ import annotations

from typing import NamedTuple

from headrace.quantization.benchmark import Figures


class SelectionLimits(NamedTuple):
    """What a candidate must keep within, against fp32."""

    max_loss: float
    """Accuracy in [0, 1], or R2, that it may lose."""
    max_latency: float
    """Times fp32's latency."""
    max_size: float
    """Times fp32's size."""


class Verdict(NamedTuple):
    """What was found of one candidate, and why it does not pass, where it does not."""

    name: str
    figures: Figures | None
    """None for a candidate that could not be made."""
    loss: float
    """Accuracy, or R2, that it loses on the validation rows; negative where it gains."""
    latency_ratio: float
    """Times fp32's latency: the mean of the ratios at 1 row and at 64."""
    size_ratio: float
    """Times fp32's size."""
    reasons: list[str]
    """Empty when it passes."""


def judge(name: str, figures: Figures, *, fp32: Figures, limits: SelectionLimits, quality: str = "accuracy") -> Verdict:
    """Holds a candidate's figures against fp32's; `quality` is the task's name for it."""
    loss = fp32.quality - figures.quality
    latency = (figures.latency_ms / fp32.latency_ms + figures.batch64_ms / fp32.batch64_ms) / 2
    size = figures.bytes / fp32.bytes
    reasons = []
    if loss > limits.max_loss:
        reasons.append(f"loses {loss:.4f} of fp32's {quality} {fp32.quality:.4f} (max_loss {limits.max_loss:g})")
    if latency > limits.max_latency:
        reasons.append(f"takes {latency:.2f} times fp32's time (max_latency {limits.max_latency:g})")
    if size > limits.max_size:
        reasons.append(f"takes {size:.2f} times fp32's bytes (max_size {limits.max_size:g})")
    return Verdict(name, figures, loss, latency, size, reasons)


def nearest(verdicts: list[Verdict]) -> Verdict | None:
    """The best of those that pass, else of those that could be made: the least loss, then the most agreement.

    Equals go by their order: latencies are too noisy to decide between candidates that all are fast enough.
    """
    made = [verdict for verdict in verdicts if verdict.figures]
    return min(made, key=_rank, default=None)


def _rank(verdict: Verdict) -> tuple[bool, float, float]:
    agreement = verdict.figures.agreement if verdict.figures else 0.0
    return bool(verdict.reasons), verdict.loss, -agreement
