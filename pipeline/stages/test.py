"""Test: models/trained + data/normalized/test -> reports/test, plots/test. The only look ever taken at test rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.config import Section
from pipeline.contracts import Metrics, Spec
from pipeline.errors import DataError
from pipeline.paths import Paths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.evaluation.calibration import Bin
    from pipeline.evaluation.judging import Answers
    from pipeline.evaluation.slices import Slice


class Config(Section):
    """The section `test`."""

    noise_sigmas: list[Annotated[float, Field(gt=0)]] = [8, 16, 32]
    """Strengths of the Gaussian noise that the accuracy is measured under, in pixel levels of 255; may be empty."""
    seed: int = 0
    """Of that noise."""


def run(config: Config, paths: Paths) -> Metrics:
    """Judges the model on the test rows: overall, by class, by slice, under noise.

    `loss` is at temperature 1; `ece` and the confidences are at the temperature that `validate` fitted.
    """
    from pipeline.evaluation import calibration, judging
    from pipeline.evaluation.classification import headline, softmax
    from pipeline.storage.bundle import read_bundle

    temperature = _temperature(paths.metrics_path("validate"))
    bundle = read_bundle(paths.trained_dir)
    found = judging.answers(bundle, paths.normalized_dir / "test")
    confidence = softmax(found.logits, temperature).max(axis=1)
    bins = calibration.reliability(confidence, found.correct)
    slices = _slices(found, bundle.spec)
    _write_report(paths.report_dir("test"), found, confidence=confidence, slices=slices, classes=bundle.spec.classes)
    _write_plots(paths.plots_dir("test"), found, bins=bins, classes=bundle.spec.classes)
    return {
        **headline(found.logits, found.arrays.targets),
        "ece": calibration.expected_calibration_error(bins),
        "worst_class_accuracy": min(part.accuracy for part in slices if part.slice.startswith("class=")),
        "worst_slice_accuracy": slices[0].accuracy,
        **(_noise(found, config) if bundle.spec.modality == "image" else {}),
    }


def _temperature(path: Path) -> float:
    import json

    try:
        return float(json.loads(path.read_bytes())["temperature"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: tells no temperature; run: dvc repro --force validate") from None


def _slices(found: Answers, spec: Spec) -> list[Slice]:
    from pipeline.evaluation import slices

    parts = slices.class_slices(found.arrays.targets, spec.classes)
    if spec.modality == "image":
        parts |= slices.tercile_slices("brightness", slices.mean_input(found.arrays.inputs))
    return slices.measure(found.correct, parts)


def _noise(found: Answers, config: Config) -> Metrics:
    from pipeline.evaluation.robustness import accuracy_under_noise

    arrays, sigmas = found.arrays, config.noise_sigmas
    shares = accuracy_under_noise(found.predict, arrays.inputs, arrays.targets, sigmas=sigmas, seed=config.seed)
    return {f"noise_{sigma:g}": share for sigma, share in zip(sigmas, shares, strict=True)}


def _write_report(
    path: Path, found: Answers, *, confidence: NDArray[np.float64], slices: list[Slice], classes: list[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.evaluation.classification import class_figures, confusion_matrix
    from pipeline.evaluation.csv_files import write_csv
    from pipeline.storage.atomic import atomic_dir

    targets = found.arrays.targets
    figures = class_figures(confusion_matrix(targets, found.predicted, len(classes)))
    with atomic_dir(path) as folder:
        columns = {
            "row_id": pa.array(found.arrays.row_ids.astype(str)),
            "target": pa.array(targets),
            "predicted": pa.array(found.predicted),
            "confidence": pa.array(confidence),
            "correct": pa.array(found.correct),
        }
        pq.write_table(pa.table(columns), folder / "predictions.parquet")
        write_csv(folder / "slices.csv", slices[0]._fields, slices)
        rows = zip(classes, *(figure.tolist() for figure in figures), strict=True)
        write_csv(folder / "per_class.csv", ("class", *figures._fields), rows)


def _write_plots(path: Path, found: Answers, *, bins: list[Bin], classes: list[str]) -> None:
    from pipeline.evaluation.csv_files import write_csv
    from pipeline.storage.atomic import atomic_dir

    pairs = zip(found.arrays.targets.tolist(), found.predicted.tolist(), strict=True)
    with atomic_dir(path) as folder:
        # one row a test row: the template `confusion` of `dvc plots` counts them
        write_csv(folder / "confusion.csv", ("actual", "predicted"), ((classes[a], classes[p]) for a, p in pairs))
        write_csv(folder / "calibration.csv", bins[0]._fields, bins)
