"""What the stages up to `normalize` assumed about the data: for the terminal, and for `reports/assumptions.json`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from headrace.contracts import Assumption, Json, Spec
from headrace.data.sources.transfer.addresses import is_private_host
from headrace.data.sources.transfer.urls import WEB, get_scheme

NOTABLE_CUT = 0.1
"""Fraction of cut texts from which on a person is warned."""
log = logging.getLogger(__name__)


def warn_of_assumptions(assumptions: Iterable[Assumption]) -> None:
    """Logs those that may well be wrong, one line each, with the setting that changes them."""
    for assumption in assumptions:
        if assumption.is_warning:
            log.warning("%s: %s; to change it: %s", assumption.subject, assumption.text, assumption.setting)


def assume_source(source: str) -> list[Assumption]:
    """A remark about a URL of this machine or its network: it is trusted, since a person wrote it."""
    host = urlsplit(source).hostname if get_scheme(source) in WEB else None
    if not host or not is_private_host(host):
        return []
    text = f"{host} is on this machine or its network; URLs in tables and redirects to other such hosts are refused"
    setting = "ingest.allow_private_addresses: true"
    return [Assumption(stage="ingest", subject="source", text=text, setting=setting)]


def assume_inputs(clean: Spec, transform: Json, max_tokens: int | str) -> list[Assumption]:
    """Remarks about the shape of the inputs, about texts that are cut, and about columns that are not learned from.

    `max_tokens`: the setting.
    """
    if clean.modality == "image":
        return list(_assume_images(transform))
    if clean.modality == "text":
        return list(_assume_texts(transform, is_auto=max_tokens == "auto"))
    remarks = [
        _remark(
            f"column {entry['name']!r}", f"not learned from: {entry['reason']}", "normalize.table, or ingest.columns"
        )
        for entry in transform["left_out"]
    ]
    for column in transform["columns"]:
        if column["kind"] == "text":
            remarks += _assume_texts(column, is_auto=max_tokens == "auto", where=f" in column {column['name']!r}")
    return remarks


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


def _assume_texts(length: Json, *, is_auto: bool, where: str = "") -> Iterator[Assumption]:
    """Remarks about `max_tokens` and `cut_share` of texts; `where`: of a column."""
    size, share = length["max_tokens"], length["cut_share"]
    if is_auto:
        text = f"{size} tokens are enough for most train texts{where}"
        yield _remark("text length", text, "normalize.text.max_tokens: 128")
    if share:
        text = f"{share:.0%} of the train texts{where} are longer than {size} tokens; the rest of them is cut off"
        setting = f"normalize.text.max_tokens: {2 * size}"
        yield _remark("texts cut", text, setting, is_warning=share >= NOTABLE_CUT)


def _remark(subject: str, text: str, setting: str, *, is_warning: bool = False) -> Assumption:
    return Assumption(stage="normalize", subject=subject, text=text, setting=setting, is_warning=is_warning)


def to_json(assumptions: Iterable[Assumption]) -> Json:
    """Returns the content of `reports/assumptions.json`."""
    return {"assumptions": [assumption.model_dump() for assumption in assumptions]}
