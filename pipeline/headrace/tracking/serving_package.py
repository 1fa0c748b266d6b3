"""The contents of a served model: its code, packages, signature and input example, by modality."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import Json, ModalityName
from headrace.data.table.encoding.decode import decode_value, inputs_by_column
from headrace.storage.bundle import Bundle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

REQUIREMENTS = ("mlflow", "onnxruntime", "numpy", "pandas")
"""Packages that serving needs for any modality; torch is not one of them."""

MEASURED = ("temperature", "threshold")
"""Metrics of `validate` that serving needs, in addition to the half widths `interval_90`."""


@dataclass(frozen=True)
class ServingCode:
    """Code and packages of a served model."""

    code: tuple[str, ...]
    """Modules of `headrace.data.<modality>`; they are copied into one flat package."""
    requirements: tuple[str, ...]
    """Packages in addition to REQUIREMENTS."""


SERVING_CODE: dict[ModalityName, ServingCode] = {
    "image": ServingCode(("decode", "resize", "serving"), ("pillow",)),
    "text": ServingCode(("repair", "serving"), ("tokenizers",)),
    "table": ServingCode(("parsing", "encoding.encode", "encoding.serving"), ("pyarrow",)),
}


def make_card(bundle: Bundle, validated: Json) -> Json:
    """Returns what serving needs to know, given the metrics of `validate`, except for a tokenizer."""
    transform = {name: value for name, value in bundle.card.transform.items() if name != "tokenizer"}
    measured = [name for name in validated if name in MEASURED or name.startswith("interval_90")]
    return {
        "modality": bundle.spec.modality,
        "task": bundle.spec.task,
        "classes": bundle.spec.classes,
        "targets": bundle.spec.targets,
        **transform,
        "input_shape": bundle.spec.input_shape,
        **{name: validated[name] for name in measured},
        "training_id": bundle.card.training_id,
        **{name: bundle.card.lineage[name] for name in ("privacy",) if name in bundle.card.lineage},
    }


def write_artifacts(folder: Path, card: Json, bundle: Bundle) -> dict[str, str]:
    """Writes the card, and a tokenizer if there is one, into `folder`; returns their paths by name."""
    texts = {"card": card}
    if "tokenizer" in bundle.card.transform:
        texts["tokenizer"] = bundle.card.transform["tokenizer"]
    paths = {name: folder / f"{name}.json" for name in texts}
    for name, path in paths.items():
        path.write_text(json.dumps(texts[name]), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def write_code(folder: Path, modality: ModalityName) -> str:
    """Writes the code as a package of another name, which an installed headrace cannot replace; returns its folder."""
    package = folder / f"headrace_{modality}"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    modules = SERVING_CODE[modality].code
    for name in modules:
        text = (files(f"headrace.data.{modality}") / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        for other in modules:
            text = text.replace(
                f"headrace.data.{modality}.{other} ", f"headrace_{modality}.{other.rpartition('.')[2]} "
            )
        (package / f"{name.rpartition('.')[2]}.py").write_text(text, encoding="utf-8")
    return str(package)


def pin_requirements(modality: ModalityName) -> list[str]:
    """Returns the packages that serving needs, pinned to the installed versions."""
    return [f"{name}=={version(name)}" for name in (*REQUIREMENTS, *SERVING_CODE[modality].requirements)]


def make_signature(bundle: Bundle) -> ModelSignature:
    """Returns the input and output columns. Cells of a table may be strings or numbers, or missing."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType, Array, Map

    spec = bundle.spec
    columns = {
        "image": [ColSpec(DataType.binary, "image")],
        "text": [ColSpec(DataType.string, "text")],
        "table": [ColSpec(AnyType(), column.name, required=False) for column in spec.columns],
    }
    targets = [ColSpec(DataType.double, name) for name in spec.targets]
    outputs = {
        "classification": [ColSpec(DataType.string, "label"), ColSpec(DataType.double, "confidence")],
        "multilabel": [ColSpec(Array(DataType.string), "labels"), ColSpec(Map(DataType.double), "probabilities")],
        "regression": targets or [ColSpec(DataType.double, "prediction")],
    }
    return ModelSignature(Schema(columns[spec.modality]), Schema(outputs[spec.task]))


def make_input_example(bundle: Bundle, inputs: Any) -> dict[str, Any]:
    """Returns the first of the stored `inputs` as a raw row."""
    return EXAMPLES[bundle.spec.modality](bundle.card.transform, inputs[:1][0])


def _example_image(transform: Json, pixels: Any) -> dict[str, Any]:
    import io

    from PIL import Image

    del transform
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels[..., 0] if pixels.shape[2] == 1 else pixels)).save(buffer, "PNG")
    return {"image": buffer.getvalue()}


def _example_text(transform: Json, ids: Any) -> dict[str, Any]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(transform["tokenizer"]))
    return {"text": tokenizer.decode(ids.tolist())}


def _example_row(transform: Json, stored: Any) -> dict[str, Any]:
    places = {name: places[0] for name, places in inputs_by_column(transform).items()}
    values = {name: decode_value(transform, place, float(stored[place])) for name, place in places.items()}
    return {name: value for name, value in values.items() if value is not None}


EXAMPLES = {"image": _example_image, "text": _example_text, "table": _example_row}
