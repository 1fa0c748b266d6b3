"""The section `quantize` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headrace.config import Section


class Config(Section):
    """The section `quantize`."""

    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.005
    """Accuracy in [0, 1] (or R2, for regression) that int8 may lose on the validation rows: 0.005 is half a point."""
    max_latency: Annotated[float, Field(gt=0)] = 1.25
    """Latency in ONNX Runtime as a multiple of fp32's: the mean of the ratios at 1 row and at 64.

    A candidate is rejected if the whole 99 % interval of its latency is above.
    """
    max_size: Annotated[float, Field(gt=0)] = 0.6
    """Size as a multiple of the fp32 graph's bytes, above which int8 must be clearly quicker to be selected."""
    num_calibration_rows: Annotated[int, Field(gt=0)] = 512
    """Train rows on which the ranges of activations are calibrated."""
    seed: int = 0
    """Seed for drawing those rows."""
    methods: Annotated[list[Literal["weights", "static", "dynamic"]], Field(min_length=1)] = ["weights", "static"]
    """Candidates to make: weights (int8 in the file, float32 when it runs), static (activations in ranges calibrated
    on train rows), dynamic (in ranges of the batch; rejected where rows change each other's answers)."""
    calibrations: Annotated[list[Literal["minmax", "percentile", "entropy"]], Field(min_length=1)] = [
        "minmax",
        "percentile",
    ]
    """How a static candidate's range of an activation is chosen: from minimum to maximum, 99.999 % of the values, or by
    the least Kullback-Leibler divergence (about a second for each activation)."""
    fallback_seconds: Annotated[float, Field(ge=0)] = 60
    """Wall-clock seconds for the search of layers to leave in float32, where a candidate loses more than `max_loss`;
    0 disables it."""
    num_threads: Annotated[int, Field(ge=0)] = 0
    """Threads of ONNX Runtime in the benchmark; 0: one for each core."""
