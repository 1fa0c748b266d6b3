"""Selection of an int8 candidate that is small, fast and accurate enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from headrace.contracts import Json, Metrics
from headrace.quantization.benchmark import CandidateMetrics


class SelectionLimits(NamedTuple):
    """Limits of a candidate, relative to fp32."""

    max_loss: float
    """Quality that it may lose."""
    max_latency: float
    """Latency as a multiple of fp32's."""
    max_size: float
    """Size as a multiple of fp32's."""


class Assessment(NamedTuple):
    """A candidate compared with fp32 and the limits."""

    name: str
    metrics: CandidateMetrics | None
    """None for a candidate that could not be made."""
    loss: float
    """Quality that it loses on the validation rows; negative for a gain."""
    latency_ratio: float
    """Multiple of fp32's latency: the mean of the ratios at 1 row and at 64."""
    size_ratio: float
    """Multiple of fp32's size."""
    reasons: list[str]
    """Why it is rejected; empty if it passes."""

    def to_json(self, quality: str) -> Json:
        """The entry in `choice.json`; `quality` is the name of the quality metric."""
        entry: Json = {"name": self.name, "passed": not self.reasons, "reasons": self.reasons}
        if self.metrics is not None:
            ratios = {"loss": self.loss, "latency_ratio": self.latency_ratio, "size_ratio": self.size_ratio}
            entry |= ratios | self.metrics.to_dict(quality)
        return entry


@dataclass(frozen=True)
class Selection:
    """The candidates and the best of them."""

    fp32: CandidateMetrics
    assessments: list[Assessment]
    limits: SelectionLimits
    quality: str
    """Name of the quality metric."""

    @property
    def best(self) -> Assessment | None:
        """The best candidate, passed or not; None if none could be made."""
        return find_best(self.assessments)

    @property
    def chosen(self) -> str | None:
        """Name of the best candidate if it passes."""
        return self.best.name if self.best and not self.best.reasons else None

    def to_json(self) -> Json:
        """The content of `choice.json`."""
        return {
            "chosen": self.chosen,
            "limits": self.limits._asdict(),
            "fp32": self.fp32.to_dict(self.quality),
            "candidates": [assessment.to_json(self.quality) for assessment in self.assessments],
        }

    def to_metrics(self) -> Metrics:
        """The stage's metrics: those of fp32 and of the best candidate, passed or not."""
        metrics: Metrics = {"passed": int(self.chosen is not None), "num_candidates": len(self.assessments)}
        metrics |= self._prefixed("fp32", self.fp32)
        best = self.best
        if best and best.metrics:
            ratios = {"loss": best.loss, "size_ratio": best.size_ratio, "latency_ratio": best.latency_ratio}
            metrics |= {**self._prefixed("int8", best.metrics), "agreement": best.metrics.agreement, **ratios}
        return metrics

    def _prefixed(self, prefix: str, measured: CandidateMetrics) -> Metrics:
        values = measured.to_dict(self.quality)
        return {f"{prefix}_{name}": value for name, value in values.items() if name != "agreement"}


def select_candidate(
    measured: dict[str, CandidateMetrics], failures: dict[str, str], *, limits: SelectionLimits, quality: str
) -> Selection:
    """Compares the candidates in `measured` with its entry `fp32`; `failures` maps those not made to the reason."""
    fp32 = measured["fp32"]
    assessments = [
        assess_candidate(name, metrics, fp32=fp32, limits=limits, quality=quality)
        for name, metrics in measured.items()
        if name != "fp32"
    ]
    assessments += [Assessment(name, None, 1.0, 0.0, 0.0, [reason]) for name, reason in failures.items()]
    return Selection(fp32, assessments, limits, quality)


def assess_candidate(
    name: str,
    metrics: CandidateMetrics,
    *,
    fp32: CandidateMetrics,
    limits: SelectionLimits,
    quality: str = "accuracy",
) -> Assessment:
    """Compares a candidate with fp32 and the limits; `quality` is the name of the quality metric."""
    loss = fp32.quality - metrics.quality
    latency = (metrics.latency_ms / fp32.latency_ms + metrics.batch64_ms / fp32.batch64_ms) / 2
    size = metrics.bytes / fp32.bytes
    reasons = []
    if loss > limits.max_loss:
        reasons.append(f"loses {loss:.4f} of fp32's {quality} {fp32.quality:.4f} (max_loss {limits.max_loss:g})")
    if latency > limits.max_latency:
        reasons.append(f"takes {latency:.2f} times fp32's time (max_latency {limits.max_latency:g})")
    if size > limits.max_size:
        reasons.append(f"takes {size:.2f} times fp32's bytes (max_size {limits.max_size:g})")
    return Assessment(name, metrics, loss, latency, size, reasons)


def find_best(assessments: list[Assessment]) -> Assessment | None:
    """The best of the candidates that pass, otherwise of those that could be made; None if there are none.

    The lowest loss wins, then the highest agreement, then the order. Latencies are too noisy to decide between
    candidates that are all fast enough.
    """

    def rank(assessment: Assessment) -> tuple[bool, float, float]:
        agreement = assessment.metrics.agreement if assessment.metrics else 0.0
        return bool(assessment.reasons), assessment.loss, -agreement

    return min((assessment for assessment in assessments if assessment.metrics), key=rank, default=None)
