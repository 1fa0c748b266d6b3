"""Checks images by comparing their measures with the bounds in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.image.cleaning.decoded_batches import Stack
from headrace.data.image.decode import PLAIN_MODES

Measures = dict[str, NDArray[np.float32]]


class _Bound(NamedTuple):
    measure: str
    option: str
    """`below` or `above`: the side of the limit on which a value is a finding."""
    reason: str


BOUNDS = {
    "blank": _Bound("contrast", "below", "grey levels deviate by {:.2f}"),
    "dark": _Bound("percentile_99", "below", "99 % of the grey levels are at most {:.0f} of 255"),
    "bright": _Bound("percentile_1", "above", "99 % of the grey levels are at least {:.0f} of 255"),
    "blurred": _Bound("sharpness", "below", "the Laplacian deviates by {:.2f}"),
}


def check_quality(stack: Stack, measures: Measures, options: Json) -> list[Finding]:
    """Returns the findings of the checks in `options` (by name); `measures` are those of the stack's images."""
    findings: list[Finding] = []
    if "mode" in options:
        findings.extend(_check_modes(stack))
    if "animation" in options:
        reason = "has several frames or pages, only the first is read"
        rows = [row for row, is_animated in zip(stack.rows, stack.are_animated, strict=True) if is_animated]
        findings.extend(Finding(row, "animation", reason) for row in rows)
    height, width = stack.pixels.shape[1:3]
    if "aspect_outlier" in options and max(height, width) > options["aspect_outlier"]["max_ratio"] * min(height, width):
        findings.extend(Finding(row, "aspect_outlier", f"{width} x {height} pixels") for row in stack.rows)
    findings.extend(_check_bounds(stack, measures, options))
    return findings


def _check_modes(stack: Stack) -> Iterator[Finding]:
    read_as = PLAIN_MODES[stack.pixels.shape[-1] > 1]
    for row, mode in zip(stack.rows, stack.modes, strict=True):
        if mode not in PLAIN_MODES:
            yield Finding(row, "mode", f"mode {mode}, read as {read_as}")


def _check_bounds(stack: Stack, measures: Measures, options: Json) -> Iterator[Finding]:
    """Yields findings; a blank image is not reported as dark, bright or blurred as well."""
    blank: set[int] = set()
    for check, bound in BOUNDS.items():
        if check not in options:
            continue
        values, limit = measures[bound.measure], options[check][bound.option]
        for place in (values < limit if bound.option == "below" else values > limit).nonzero()[0].tolist():
            if place in blank or (check == "blank" and stack.pixels[place].std(axis=(0, 1)).max() >= limit):
                continue  # the second: colours of equal brightness are not blank
            if check == "blank":
                blank.add(place)
            yield Finding(stack.rows[place], check, bound.reason.format(values[place]))
