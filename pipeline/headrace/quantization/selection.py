"""Selection of an int8 candidate that is accurate enough, and clearly smaller or clearly quicker than float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics
from headrace.evaluation.comparison import difference_interval
from headrace.quantization.benchmark import GraphMetrics

MAX_BATCH_DIFFERENCE = 0.02
"""Standard deviations of the outputs. Rounding to 8 bits may turn the last bits of a sum into a step of an activation,
which moves an output by up to about 0.01 of them; a range over the whole batch moves it by 0.1 and more."""
CLEARLY_QUICKER = 0.9
"""The upper end of the ratio of two times that counts as quicker."""
SAME_SIZE = 0.05
"""Files whose sizes differ by no more than this fraction count as equally large."""


class SelectionLimits(NamedTuple):
    """Limits of a candidate, relative to fp32."""

    max_loss: float
    """Quality that it may lose."""
    max_latency: float
    """Latency as a multiple of fp32's."""
    max_size: float
    """Size as a multiple of fp32's that is clearly smaller."""


class Measured(NamedTuple):
    """What is known about one graph."""

    metrics: GraphMetrics
    quality_by_row: NDArray[np.float64]
    """`[rows]`: quality of the answer to each validation row."""
    agreement: float
    """Agreement with fp32 on validation rows: fraction of equal classes or labels, or R2."""
    batch_difference: float
    """See `batch_independence.measure_batch_difference`."""
    failed_gate: str = ""
    """The rules of `validate.gate` that it fails, in one line."""

    @property
    def quality(self) -> float:
        """The task's quality metric on validation rows: accuracy or micro F1 in [0, 1], or R2 (at most 1)."""
        return float(self.quality_by_row.mean())


class Assessment(NamedTuple):
    """A candidate compared with fp32 and the limits."""

    name: str
    measured: Measured | None
    """None for a candidate that could not be made."""
    loss: tuple[float, float, float]
    """Quality that it loses on the validation rows, negative for a gain; with its 95 % interval."""
    size_ratio: float
    """Multiple of fp32's size."""
    reasons: list[str]
    """Why it is rejected; empty if it passes."""


@dataclass(frozen=True)
class Selection:
    """The candidates and the best of them."""

    fp32: Measured
    assessments: list[Assessment]
    limits: SelectionLimits
    quality: str
    """Name of the quality metric."""
    notes: dict[str, str] = field(default_factory=dict)
    """Candidate -> what else the reason says about it."""

    @property
    def best(self) -> Assessment | None:
        """The best candidate, passed or not; None if none could be made."""
        return find_best(self.assessments)

    @property
    def chosen(self) -> str | None:
        """Name of the best candidate if it passes; None: float32."""
        return self.best.name if self.best and not self.best.reasons else None

    @property
    def reason(self) -> str:
        """Why the chosen graph was chosen, in one sentence."""
        best = self.best
        if best and best.measured and not best.reasons:
            time = best.measured.metrics.latency_ratio
            return (
                f"{best.name} takes {best.size_ratio:.2f} times fp32's bytes and {time.low:.2f} to {time.high:.2f} "
                f"times its time, and loses {best.loss[0]:.4f} of its {self.quality} {self.fp32.quality:.4f}"
                f"{self._note(best.name)}"
            )
        reasons = "; ".join(
            f"{each.name} {' and '.join(each.reasons)}{self._note(each.name)}" for each in self.assessments
        )
        return f"float32 is served, because no int8 candidate passed: {reasons}"

    def _note(self, name: str) -> str:
        return f" ({self.notes[name]})" if name in self.notes else ""

    @property
    def measured(self) -> dict[str, Measured]:
        """All graphs that were measured, by name."""
        candidates = {each.name: each.measured for each in self.assessments if each.measured}
        return {"fp32": self.fp32, **candidates}

    def to_json(self) -> Json:
        """The content of `choice.json`."""
        return {
            "chosen": self.chosen,
            "precision": "int8" if self.chosen else "float32",
            "reason": self.reason,
            "limits": self.limits._asdict(),
            "fp32": self._describe(self.fp32),
            "candidates": [self._describe_assessment(assessment) for assessment in self.assessments],
        }

    def to_metrics(self) -> Metrics:
        """The stage's metrics: those of fp32 and of the best candidate, passed or not."""
        metrics: Metrics = {"passed": int(self.chosen is not None), "num_candidates": len(self.assessments)}
        metrics |= self._flatten("fp32", self.fp32)
        best = self.best
        if best and best.measured:
            time = best.measured.metrics.latency_ratio
            metrics |= {
                **self._flatten("int8", best.measured),
                "agreement": best.measured.agreement,
                f"{self.quality}_lost": best.loss[0],
                "size_ratio": best.size_ratio,
                "latency_ratio": time.value,
                "latency_ratio_low": time.low,
                "latency_ratio_high": time.high,
                "batch_difference": best.measured.batch_difference,
            }
        return metrics

    def _flatten(self, prefix: str, measured: Measured) -> Metrics:
        values = {self.quality: measured.quality, **measured.metrics._asdict()}
        return {f"{prefix}_{name}": value for name, value in values.items() if name != "latency_ratio"}

    def _describe(self, measured: Measured) -> Json:
        return {
            self.quality: measured.quality,
            "agreement": measured.agreement,
            "batch_difference": measured.batch_difference,
            **measured.metrics._asdict(),
            "latency_ratio": measured.metrics.latency_ratio._asdict(),
        }

    def _describe_assessment(self, assessment: Assessment) -> Json:
        entry: Json = {"name": assessment.name, "passed": not assessment.reasons, "reasons": assessment.reasons}
        if assessment.measured is not None:
            lost = dict(zip(("value", "low", "high"), assessment.loss, strict=True))
            entry |= {f"{self.quality}_lost": lost, "size_ratio": assessment.size_ratio}
            entry |= self._describe(assessment.measured)
        return entry


def select_candidate(
    measured: dict[str, Measured],
    failures: dict[str, str],
    *,
    limits: SelectionLimits,
    quality: str,
    notes: dict[str, str] | None = None,
) -> Selection:
    """Compares the candidates in `measured` with its entry `fp32`; `failures` maps those not made to the reason."""
    fp32 = measured["fp32"]
    assessments = [
        assess_candidate(name, candidate, fp32=fp32, limits=limits, quality=quality)
        for name, candidate in measured.items()
        if name != "fp32"
    ]
    assessments += [Assessment(name, None, (1.0, 1.0, 1.0), 0.0, [reason]) for name, reason in failures.items()]
    return Selection(fp32, assessments, limits, quality, notes or {})


def assess_candidate(
    name: str, measured: Measured, *, fp32: Measured, limits: SelectionLimits, quality: str = "accuracy"
) -> Assessment:
    """Compares a candidate with fp32 and the limits; `quality` is the name of the quality metric.

    A candidate is too slow if the whole interval of its time is above the limit.
    """
    loss = difference_interval(fp32.quality_by_row, measured.quality_by_row)
    size, time = measured.metrics.bytes / fp32.metrics.bytes, measured.metrics.latency_ratio
    spread = f"{time.low:.2f} to {time.high:.2f} times fp32's time"
    reasons = []
    if measured.batch_difference > MAX_BATCH_DIFFERENCE:
        reasons.append(
            f"answers a row differently beside other rows (by {measured.batch_difference:.2g} standard deviations; at "
            f"most {MAX_BATCH_DIFFERENCE:g})"
        )
    if loss[0] > limits.max_loss:
        reasons.append(f"loses {loss[0]:.4f} of fp32's {quality} {fp32.quality:.4f} (max_loss {limits.max_loss:g})")
    if measured.failed_gate:
        reasons.append(f"fails validate.gate: {measured.failed_gate}")
    if time.low > limits.max_latency:
        reasons.append(f"takes {spread} (max_latency {limits.max_latency:g})")
    if size > limits.max_size and time.high > CLEARLY_QUICKER:
        reasons.append(
            f"is neither clearly smaller ({size:.2f} times fp32's bytes; max_size {limits.max_size:g}) nor clearly "
            f"quicker ({spread})"
        )
    return Assessment(name, measured, loss, size, reasons)


def find_best(assessments: list[Assessment]) -> Assessment | None:
    """The best of the candidates that pass, otherwise of those that could be made; None if there are none.

    Each in its order replaces the best before it only where that is beyond doubt: a quality that is better by more
    than the interval of the paired difference, or else a clearly smaller file, or else a clearly shorter time.
    """
    candidates = [assessment for assessment in assessments if assessment.measured]
    passing = [assessment for assessment in candidates if not assessment.reasons] or candidates
    best = passing[0] if passing else None
    for other in passing[1:]:
        if best and _is_clearly_better(other, best):
            best = other
    return best


def _is_clearly_better(other: Assessment, best: Assessment) -> bool:
    if not other.measured or not best.measured:
        return False
    return next((sign for sign in compare_graphs(other.measured, best.measured) if sign), 0) > 0


def compare_graphs(first: Measured, second: Measured) -> tuple[int, int, int]:
    """Compares quality, size and time: 1 where the first is better beyond doubt, -1 where the second is, or else 0."""
    _, low, high = difference_interval(first.quality_by_row, second.quality_by_row)
    size = first.metrics.bytes / second.metrics.bytes
    times = first.metrics.latency_ratio, second.metrics.latency_ratio
    is_quicker, is_slower = (a.high < CLEARLY_QUICKER * b.low for a, b in (times, times[::-1]))
    return (
        int(low > 0) - int(high < 0),
        0 if abs(size - 1) <= SAME_SIZE else 1 if size < 1 else -1,
        int(is_quicker) - int(is_slower),
    )
