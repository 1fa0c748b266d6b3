"""What the stages up to `normalize` assumed about the data: for the terminal, and for `reports/assumptions.json`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from headrace.contracts import Assumption, Json, Spec

NOTABLE_CUT = 0.1
"""Fraction of cut texts from which on a person is warned."""
log = logging.getLogger(__name__)


def warn_of_assumptions(assumptions: Iterable[Assumption]) -> None:
    """Logs those that may well be wrong, one line each, with the setting that changes them."""
    for assumption in assumptions:
        if assumption.is_warning:
            log.warning("%s: %s; to change it: %s", assumption.subject, assumption.text, assumption.setting)


def assume_inputs(clean: Spec, transform: Json, max_tokens: int | str) -> list[Assumption]:
    """Remarks about the shape of the inputs, about texts that are cut, and about columns that are not learned from.

    `max_tokens`: the setting.
    """
    if clean.modality == "image":
        return list(_assume_images(transform))
    if clean.modality == "text":
        return list(_assume_texts(transform, is_auto=max_tokens == "auto"))
    return [
        _remark(
            f"column {entry['name']!r}", f"not learned from: {entry['reason']}", "normalize.table, or ingest.columns"
        )
        for entry in transform["left_out"]
    ]


def _assume_images(transform: Json) -> Iterator[Assumption]:
    automatic, is_guess = transform.get("automatic", {}), "num_sizes" in transform.get("automatic", {})
    text = "images are stored as {} x {} pixels with {} channels".format(*transform["input_shape"])
    if is_guess:
        median = "{} x {}".format(*automatic["median_size"])
        text += f", since train images have {automatic['num_sizes']} sizes, of which {median} is the median"
    yield _remark("image size", text, "normalize.image_size: [HEIGHT, WIDTH]", is_warning=is_guess)
    if "num_deep" in automatic:
        low, high = (f"{value:.10g}" for value in transform["image_range"])
        text = f"{automatic['num_deep']} train images have more than 8 bits: {low} becomes 0, {high} becomes 255"
        yield _remark("range of values", text, f"normalize.image_range: [{low}, {high}]", is_warning=True)


def _assume_texts(transform: Json, *, is_auto: bool) -> Iterator[Assumption]:
    size, share = transform["max_tokens"], transform["cut_share"]
    if is_auto:
        yield _remark("text length", f"{size} tokens are enough for most train texts", "normalize.text.max_tokens: 128")
    if share:
        text = f"{share:.0%} of the train texts are longer than {size} tokens; the rest of them is cut off"
        setting = f"normalize.text.max_tokens: {2 * size}"
        yield _remark("texts cut", text, setting, is_warning=share >= NOTABLE_CUT)


def _remark(subject: str, text: str, setting: str, *, is_warning: bool = False) -> Assumption:
    return Assumption(stage="normalize", subject=subject, text=text, setting=setting, is_warning=is_warning)


def to_json(assumptions: Iterable[Assumption]) -> Json:
    """Returns the content of `reports/assumptions.json`."""
    return {"assumptions": [assumption.model_dump() for assumption in assumptions]}
