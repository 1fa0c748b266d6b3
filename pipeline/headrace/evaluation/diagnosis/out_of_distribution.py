"""A score that shall be lower for rows unlike the training's, and how well it finds generated ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Metrics
from headrace.data.table.encoding.decode import tokens_by_column
from headrace.data.text.token_ids import PADDING
from headrace.evaluation.diagnosis.robustness import Sample, draw_sample, make_generators
from headrace.evaluation.diagnosis.subject import Subject
from headrace.evaluation.metrics.ranking_curves import area_under_roc
from headrace.storage.arrays import open_arrays

Generated: TypeAlias = "dict[str, NDArray[Any]]"
"""Name -> stored inputs of generated rows."""
MAX_ROWS = 500
"""Rows that are generated of each kind."""
MAX_VALIDATION_ROWS = 1000
ACCEPTED = 0.95
"""Fraction of the validation rows at or above the threshold."""
REFERENCES = {
    "classification": "Liu et al. (2020), Energy-based Out-of-distribution Detection, equation 4, at temperature 1",
    "multilabel": "Wang et al. (2021), Can Multi-label Classification Networks Know What They Don't Know?, equation 6",
}
NOTE = (
    "The generated rows are unlike any real row. A high AUROC shows that the score notices nonsense; it does not show"
    " that it notices real rows of another kind, such as a class that the training did not have, another camera or"
    " another language. A low AUROC shows that it cannot be relied on at all."
)


def measure_out_of_distribution(subject: Subject) -> Json:
    """Fits a threshold to validation rows, and measures the score on test rows against generated ones.

    A model of values has no such score: its outputs say nothing of how sure it is.
    """
    task = subject.predictions.spec.task
    if task == "regression":
        return {"score": None, "reason": "the outputs of a regression do not show whether a row is unlike the training"}
    validation = open_arrays(subject.val_dir).inputs
    if not len(validation):
        return {"score": None, "reason": "there are no validation rows to fit a threshold to"}
    rows = np.unique(np.linspace(0, len(validation) - 1, MAX_VALIDATION_ROWS).astype(np.int64))
    accepted = compute_energy(subject.predictions.predict(validation[rows]), task)
    threshold = float(np.quantile(accepted, 1 - ACCEPTED, method="lower"))
    real, sample = compute_energy(subject.predictions.logits, task), draw_sample(subject, MAX_ROWS)
    generated = []
    for name, inputs in GENERATORS[subject.predictions.spec.modality](subject, sample).items():
        scores = compute_energy(subject.predictions.predict(inputs), task)
        area = area_under_roc(real, scores)
        generated.append(
            {
                "name": name,
                "rows": len(scores),
                "auroc": area.value,
                "auroc_low": area.low,
                "auroc_high": area.high,
                "rejected": float((scores < threshold).mean()),
            }
        )
    return {
        "score": "energy",
        "reference": REFERENCES[task],
        "threshold": threshold,
        "validation_rows": len(rows),
        "test_rows": len(real),
        "accepted_test_rows": float((real >= threshold).mean()),
        "generated": generated,
        "note": NOTE,
    }


def summarize_out_of_distribution(report: Json) -> Metrics:
    """The AUROC against the kind of generated rows that is separated worst."""
    areas = [part["auroc"] for part in report.get("generated", [])]
    return {"ood_auroc": min(areas)} if areas else {}


def compute_energy(outputs: NDArray[np.float32], task: str) -> NDArray[np.float64]:
    """`[rows]`: negative free energy, summed over labels if there are several; higher for familiar rows."""
    logits = outputs.astype(np.float64)
    if task == "multilabel":
        return np.asarray(np.logaddexp(0, logits).sum(axis=1))
    return np.asarray(np.logaddexp.reduce(logits, axis=1))


def generate_images(subject: Subject, sample: Sample) -> Generated:
    """Uniform noise, and images whose pixels change places."""
    pixels = subject.predictions.arrays.inputs[sample]
    shape = pixels.shape[1:]
    noise, places = (make_generators(subject, name, sample) for name in ("uniform_noise", "shuffled_pixels"))
    shuffled = [
        image.reshape(-1, shape[-1])[rng.permutation(shape[0] * shape[1])].reshape(shape)
        for image, rng in zip(pixels, places, strict=True)
    ]
    return {
        "uniform_noise": np.stack([rng.integers(0, 256, shape, dtype=np.uint8) for rng in noise]),
        "shuffled_pixels": np.stack(shuffled),
    }


def generate_texts(subject: Subject, sample: Sample) -> Generated:
    """Texts of the same lengths of random tokens."""
    ids, vocabulary = subject.predictions.arrays.inputs[sample], subject.predictions.transform["vocabulary"]
    generators = make_generators(subject, "random_words", sample)
    tokens = np.stack([rng.integers(min(2, vocabulary - 1), vocabulary, ids.shape[1]) for rng in generators])
    return {"random_words": np.where(ids != 0, tokens, 0).astype(np.int32)}


def generate_tables(subject: Subject, sample: Sample) -> Generated:
    """Rows whose cells come from different rows; and numbers far outside, with random categories and tokens."""
    num_ids = subject.predictions.transform.get("vocabulary", 0)
    cells, inputs = np.asarray(subject.predictions.arrays.inputs[sample]), subject.predictions.transform["inputs"]
    rng = np.random.default_rng(subject.seed)
    shuffled, far = rng.permuted(cells, axis=0), cells.copy()
    for indices in tokens_by_column(subject.predictions.transform).values():
        shuffled[:, indices] = rng.permutation(cells[:, indices])  # a text stays one
    for index, entry in enumerate(inputs):
        if entry["kind"] == "token":
            ids = rng.integers(min(2, num_ids - 1), num_ids, len(cells))
            far[:, index] = np.where(cells[:, index] != PADDING, ids, PADDING)
            continue
        if entry["kind"] == "categorical":
            far[:, index] = rng.integers(0, entry["num_values"], len(cells))
            continue
        known = cells[np.isfinite(cells[:, index]), index].astype(np.float64)
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        far[:, index] = rng.uniform(low - 2 * (high - low), high + 2 * (high - low), len(cells))
    return {"shuffled_columns": shuffled, "wide_range": far}


GENERATORS: dict[str, Callable[[Subject, Sample], Generated]] = {
    "image": generate_images,
    "text": generate_texts,
    "table": generate_tables,
}
"""Modality -> rows that are unlike any of the data."""
