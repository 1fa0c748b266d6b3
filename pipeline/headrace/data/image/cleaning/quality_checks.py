"""What is wrong with an image: its figures against the bounds of the checks."""

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
    """`below` or `above`: the side of the option's value on which a figure is a finding."""
    reason: str


BOUNDS = {
    "blank": _Bound("contrast", "below", "grey levels deviate by {:.2f}"),
    "dark": _Bound("percentile_99", "below", "99 % of the grey levels are at most {:.0f} of 255"),
    "bright": _Bound("percentile_1", "above", "99 % of the grey levels are at least {:.0f} of 255"),
    "blurred": _Bound("sharpness", "below", "the Laplacian deviates by {:.2f}"),
}


def check_quality(stack: Stack, found: Measures, options: Json) -> list[Finding]:
    """Findings of a stack by the checks in `options` (by name); `found`: the images' measures, in the same order."""
    findings: list[Finding] = []
    if "mode" in options:
        findings.extend(_modes(stack))
    height, width = stack.pixels.shape[1:3]
    if "aspect_outlier" in options and max(height, width) > options["aspect_outlier"]["max_ratio"] * min(height, width):
        findings.extend(Finding(row, "aspect_outlier", f"{width} x {height} pixels") for row in stack.rows)
    findings.extend(_beyond(stack, found, options))
    return findings


def _modes(stack: Stack) -> Iterator[Finding]:
    read_as = PLAIN_MODES[stack.pixels.shape[-1] > 1]
    for row, mode in zip(stack.rows, stack.modes, strict=True):
        if mode not in PLAIN_MODES:
            yield Finding(row, "mode", f"mode {mode}, read as {read_as}")


def _beyond(stack: Stack, found: Measures, options: Json) -> Iterator[Finding]:
    """An image of one colour is also dark, bright or blurred, which is not told."""
    blank: set[int] = set()
    for check, bound in BOUNDS.items():
        if check not in options:
            continue
        values, limit = found[bound.measure], options[check][bound.option]
        for place in (values < limit if bound.option == "below" else values > limit).nonzero()[0].tolist():
            if place in blank or (check == "blank" and stack.pixels[place].std(axis=(0, 1)).max() >= limit):
                continue  # the second: colours that are equally bright
            if check == "blank":
                blank.add(place)
            yield Finding(stack.rows[place], check, bound.reason.format(values[place]))
