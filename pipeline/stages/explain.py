"""Explain: models/trained + models/quantized + data/normalized/val -> reports/explain. What the model looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.contracts import Metrics, Spec
from pipeline.explanation.page import Example, Findings
from pipeline.paths import Paths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.evaluation.judging import Answers
    from pipeline.storage.bundle import Bundle


class Config(Section):
    """The section `explain`."""

    num_rows: Annotated[int, Field(gt=0)] = 64
    """Validation rows, drawn at random, that the figures and the mean maps are over."""
    num_examples: Annotated[int, Field(ge=0)] = 12
    """Rows shown beside: a third each of surest mistakes, least sure and right ones."""
    method: Literal["integrated_gradients", "occlusion"] = "integrated_gradients"
    """Gradients along the way from the train mean to the input, or hiding it part by part (slower, coarser)."""
    num_steps: Annotated[int, Field(ge=2)] = 32
    """Points along that way; occlusion does not use it."""
    seed: int = 0
    """Of the rows drawn and of the random order to compare with."""


def run(config: Config, paths: Paths) -> Metrics:
    """Explains a sample and some telling examples, measures how faithful that is, and writes the page.

    `int8_agreement` is there when `quantize` kept a model, and is over the same rows as the other figures.
    """
    import numpy as np

    from pipeline.evaluation.judging import answers
    from pipeline.explanation.attributions import attribute
    from pipeline.modalities.network import load_network
    from pipeline.storage.bundle import read_bundle

    bundle = read_bundle(paths.trained_dir)
    found = answers(bundle, paths.normalized_dir / "val")
    sample, groups = _rows(config, found)
    rows = np.concatenate([sample, *groups.values()])
    inputs, classes = found.arrays.inputs[rows], found.predicted[rows]
    maps = attribute(load_network(bundle), inputs, classes, method=config.method, num_steps=config.num_steps)
    curves = _curves(config, bundle, found, rows=sample, maps=maps[: len(sample)])
    metrics = _metrics(curves, found, rows=sample, int8_path=paths.quantized_dir / "model.onnx")
    findings = Findings(
        source=bundle.spec.source,
        method=config.method,
        metrics=metrics,
        curves=curves,
        examples=_examples(bundle.spec, found, groups=groups, maps=maps[len(sample) :]),
        means=_means(bundle.spec, maps[: len(sample)], classes[: len(sample)]),
    )
    _write(paths, findings, maps=maps, row_ids=found.arrays.row_ids[rows])
    return metrics


def _rows(config: Config, found: Answers) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Indices of the sample, and of the examples by group."""
    import numpy as np

    from pipeline.evaluation.classification import softmax
    from pipeline.explanation.selection import pick_examples

    num_rows = min(config.num_rows, len(found.arrays))
    sample = np.sort(np.random.default_rng(config.seed).choice(len(found.arrays), num_rows, replace=False))
    confidence = softmax(found.logits).max(axis=1)
    return sample, pick_examples(confidence, found.correct, num_examples=config.num_examples, seed=config.seed)


def _curves(
    config: Config, bundle: Bundle, found: Answers, *, rows: NDArray[np.int64], maps: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Deletion curves of the sample: the most attributed places first, and in random order."""
    import numpy as np

    from pipeline.evaluation.classification import softmax
    from pipeline.explanation.faithfulness import deletion_curve

    fill = np.rint(np.array(bundle.card.transform["mean"]) * 255).astype(np.uint8)
    chance = np.random.default_rng(config.seed).random(maps.shape, dtype=np.float32)
    return {
        name: deletion_curve(
            lambda inputs: softmax(found.predict(inputs)),
            found.arrays.inputs[rows],
            order,
            classes=found.predicted[rows],
            fill=fill,
        )
        for name, order in (("most attributed first", maps), ("random order", chance))
    }


def _metrics(
    curves: dict[str, NDArray[np.float64]], found: Answers, *, rows: NDArray[np.int64], int8_path: Path
) -> Metrics:
    from pipeline.explanation.faithfulness import area
    from pipeline.storage.onnx_model import OnnxModel

    deletion, chance = (area(curve) for curve in curves.values())
    metrics: Metrics = {
        "num_rows": len(rows),
        "deletion_auc": deletion,
        "random_auc": chance,
        "faithfulness": chance - deletion,
    }
    if int8_path.is_file():
        predicted = OnnxModel(int8_path).predict(found.arrays.inputs[rows]).argmax(axis=1)
        metrics["int8_agreement"] = float((predicted == found.predicted[rows]).mean())
    return metrics


def _examples(
    spec: Spec, found: Answers, *, groups: dict[str, NDArray[np.int64]], maps: NDArray[np.float32]
) -> list[Example]:
    from pipeline.evaluation.classification import softmax

    places = [(group, row) for group, rows in groups.items() for row in rows.tolist()]
    return [
        Example(
            group=group,
            row_id=found.arrays.row_ids[row].decode("ascii"),
            actual=spec.classes[found.arrays.targets[row]],
            predicted=spec.classes[found.predicted[row]],
            confidence=float(softmax(found.logits[row : row + 1]).max()),
            pixels=found.arrays.inputs[row],
            attribution=attribution,
        )
        for (group, row), attribution in zip(places, maps, strict=True)
    ]


def _means(spec: Spec, maps: NDArray[np.float32], classes: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    from pipeline.explanation.selection import class_means

    return {spec.classes[index]: mean for index, mean in class_means(maps, classes, len(spec.classes)).items()}


def _write(paths: Paths, findings: Findings, *, maps: NDArray[np.float32], row_ids: NDArray[np.bytes_]) -> None:
    import numpy as np

    from pipeline.explanation.page import page
    from pipeline.storage.atomic import atomic_dir, write_json, write_text

    with atomic_dir(paths.report_dir("explain")) as folder:
        write_text(folder / "index.html", page(findings))
        write_json(folder / "examples.json", {"examples": [example.told() for example in findings.examples]})
        np.savez_compressed(folder / "attributions.npz", row_ids=row_ids, attributions=maps)
