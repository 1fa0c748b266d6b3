"""Robustness: quality under changes of the inputs that the training did not include."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Metrics
from headrace.data.table.encoding.decode import tokens_by_column
from headrace.data.table.encoding.transform import make_token_encoders
from headrace.data.text.rows import texts_of
from headrace.data.transforms import TRANSFORMS
from headrace.evaluation.comparison import difference_interval
from headrace.evaluation.diagnosis.corruptions import CORRUPTIONS, corrupt_images
from headrace.evaluation.diagnosis.perturbations import (
    TEXT_PERTURBATIONS,
    add_cell_noise,
    empty_cells,
    measure_deviations,
)
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.metrics.classification import is_correct, wilson_interval
from headrace.evaluation.result import Table
from headrace.storage.column_names import to_stored_name

ROWS_PER_DRAW = 1024
NUM_STRENGTHS = 5
MAX_VALUES = 2**25
"""Pixels of the sample, over all rows: 256 rows of 209x209 pixels in colour."""
NO_CHANGE = "none"
Sample: TypeAlias = NDArray[np.int64]
"""`[sample]`: positions of test rows."""


class Change(NamedTuple):
    """The inputs of the sample under one change."""

    name: str
    strength: int
    inputs: Any


class RobustnessRow(NamedTuple):
    """The quality under one change, with its 95 % interval."""

    name: str
    strength: int
    rows: int
    value: float
    low: float
    high: float


def measure_robustness(subject: Subject, num_rows: int) -> list[RobustnessRow]:
    """Measures the quality of `num_rows` test rows, unchanged (`none`, 0), then under each change and strength.

    What happens to a row depends on its id and the seed alone, and is the same at each strength but for the strength.
    """
    sample = draw_sample(subject, num_rows)
    targets = np.asarray(subject.predictions.arrays.targets[sample])
    rows = []
    for change in CHANGES[subject.predictions.spec.modality](subject, sample):
        outputs = subject.predictions.predict(change.inputs)
        quality = subject.quality_by_row(outputs, targets)
        rows.append(RobustnessRow(change.name, change.strength, len(sample), *_mean_interval(quality, subject.quality)))
    return rows


def summarize_robustness(rows: Sequence[RobustnessRow], quality: str) -> Metrics:
    """Mean quality over all changes and strengths, and over the strengths of the worst change."""
    changed: dict[str, list[float]] = {}
    for row in rows:
        if row.name != NO_CHANGE:
            changed.setdefault(row.name, []).append(row.value)
    if not changed:
        return {}
    means = [float(np.mean(values)) for values in changed.values()]
    return {f"robust_{quality}": float(np.mean(means)), f"robust_{quality}_worst": min(means)}


def make_plot(rows: Sequence[RobustnessRow]) -> Table:
    """Strength -> the mean over all changes and the worst of them; at strength 0 both are that of unchanged rows."""
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(row.strength, []).append(row.value)
    return Table(("strength", "mean", "worst"), [(at, float(np.mean(each)), min(each)) for at, each in values.items()])


def draw_sample(subject: Subject, num_rows: int) -> Sample:
    """Evenly spaced test rows, whose ids are hashes; fewer of large images."""
    arrays = subject.predictions.arrays
    if subject.predictions.spec.modality == "image":
        num_rows = min(num_rows, max(1, MAX_VALUES // int(np.prod(arrays.inputs.shape[1:]))))
    return np.unique(np.linspace(0, len(arrays) - 1, min(num_rows, len(arrays))).astype(np.int64))


def make_generators(subject: Subject, name: str, sample: Sample) -> list[np.random.Generator]:
    """One generator for each row, by its id, the seed and the name of the change."""
    keys = [f"{subject.seed}:{name}:".encode() + row_id for row_id in subject.predictions.arrays.row_ids[sample]]
    return [np.random.default_rng(int.from_bytes(blake2b(key, digest_size=16).digest(), "little")) for key in keys]


def change_images(subject: Subject, sample: Sample) -> Iterator[Change]:
    """The common corruptions; a number of channels other than 1 or 3 has none."""
    pixels = subject.predictions.arrays.inputs[sample]
    yield Change(NO_CHANGE, 0, pixels)
    for name in CORRUPTIONS:
        generators = make_generators(subject, name, sample)
        states = [generator.bit_generator.state for generator in generators]
        for strength in range(NUM_STRENGTHS):
            for generator, state in zip(generators, states, strict=True):  # creating them again takes ten times as long
                generator.bit_generator.state = state
            yield Change(name, strength + 1, corrupt_images(name, pixels, strength, generators))


def change_texts(subject: Subject, sample: Sample) -> Iterator[Change]:
    """Typos and dropped words, in the clean texts, before they become tokens."""
    yield Change(NO_CHANGE, 0, subject.predictions.arrays.inputs[sample])
    texts = texts_of(subject.read_rows(sample, ["text"]).to_batches()[0])
    for name, perturb in TEXT_PERTURBATIONS.items():
        for strength in range(NUM_STRENGTHS):
            pairs = zip(texts, make_generators(subject, name, sample), strict=True)
            yield Change(name, strength + 1, _encode([perturb(text, strength, rng) for text, rng in pairs], subject))


def change_tables(subject: Subject, sample: Sample) -> Iterator[Change]:
    """Missing cells, noise on numbers, and typos and dropped words in texts."""
    transform, inputs = subject.predictions.transform, subject.predictions.arrays.inputs
    cells, deviations = np.asarray(inputs[sample]), measure_deviations(np.asarray(inputs))
    has_numbers = any(column["kind"] == "numeric" for column in transform["columns"])
    yield Change(NO_CHANGE, 0, cells)
    for strength in range(NUM_STRENGTHS):
        generators = make_generators(subject, "missing_cells", sample)
        yield Change("missing_cells", strength + 1, empty_cells(cells, strength, generators, transform))
    for strength in range(NUM_STRENGTHS if has_numbers else 0):
        generators = make_generators(subject, "noise", sample)
        yield Change("noise", strength + 1, add_cell_noise(cells, strength, generators, transform, deviations))
    if tokens_by_column(transform):
        yield from _change_text_columns(subject, sample, cells)


CHANGES: dict[str, Callable[[Subject, Sample], Iterator[Change]]] = {
    "image": change_images,
    "text": change_texts,
    "table": change_tables,
}
"""Modality -> the changes of a sample, the unchanged rows first."""


def accuracy_under_noise(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    inputs: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    sigmas: list[float],
    seed: int,
) -> list[float]:
    """Accuracy under additive Gaussian noise for each sigma, in pixel levels of 0 to 255.

    All sigmas share one draw, so that they differ only in the strength of the noise. Noisy pixels are rounded and
    clipped, as a camera does. After Hendrycks and Dietterich (2019), Benchmarking Neural Network Robustness to Common
    Corruptions. At most ROWS_PER_DRAW rows are in memory at a time.
    """
    rng = np.random.default_rng(seed)
    num_correct = np.zeros(len(sigmas), dtype=np.int64)
    for start in range(0, len(targets), ROWS_PER_DRAW):
        rows = slice(start, start + ROWS_PER_DRAW)
        clean = np.asarray(inputs[rows], dtype=np.float32)
        noise = rng.standard_normal(clean.shape, dtype=np.float32)
        for index, sigma in enumerate(sigmas):
            noisy = np.clip(np.rint(clean + np.float32(sigma) * noise), 0, 255).astype(np.uint8)
            num_correct[index] += is_correct(predict(noisy), targets[rows]).sum()
    return [int(count) / len(targets) for count in num_correct]


def _change_text_columns(subject: Subject, sample: Sample, cells: NDArray[np.float32]) -> Iterator[Change]:
    """Changes all texts of a row, before they become tokens."""
    places = tokens_by_column(subject.predictions.transform)
    encoders = make_token_encoders(subject.predictions.transform)
    clean = subject.read_rows(sample, [to_stored_name(name) for name in places]).rename_columns(list(places))
    for change, perturb in TEXT_PERTURBATIONS.items():
        for strength in range(NUM_STRENGTHS):
            generators, changed = make_generators(subject, change, sample), cells.copy()
            for name, indices in places.items():
                pairs = zip(clean.column(name).to_pylist(), generators, strict=True)
                texts = [perturb(text, strength, rng) if text else None for text, rng in pairs]
                changed[:, indices] = encoders[name].encode_cells(texts)
            yield Change(change, strength + 1, changed)


def _encode(texts: list[str], subject: Subject) -> NDArray[np.int32]:
    """Token ids `[rows, longest]`, padded with 0."""
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    ids = TRANSFORMS["text"].apply(batch, subject.predictions.transform)
    padded = np.zeros((len(ids), max(map(len, ids))), np.int32)
    for row, tokens in zip(padded, ids, strict=True):
        row[: len(tokens)] = tokens
    return padded


def _mean_interval(quality: NDArray[np.float64], name: str) -> tuple[float, float, float]:
    """Mean and 95 % interval: Wilson's for accuracies, else by the normal approximation; a single row has no width."""
    mean = float(quality.mean())
    if name == "accuracy":
        return mean, *wilson_interval(float(quality.sum()), len(quality))
    if len(quality) == 1:
        return mean, mean, mean
    return difference_interval(quality, np.zeros_like(quality))
