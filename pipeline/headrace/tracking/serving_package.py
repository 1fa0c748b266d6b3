"""What serving needs of each modality: code that travels, packages, columns in and out, and an example."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import Json, ModalityName
from headrace.storage.bundle import Bundle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

REQUIREMENTS = ("mlflow", "onnxruntime", "numpy", "pandas")
"""All that serving needs of any modality: no torch."""

MEASURED = ("temperature", "threshold")
"""Of what `validate` found, what serving must know, beside the half widths `interval_90`."""


@dataclass(frozen=True)
class ServingCode:
    """What goes with a served model of one modality."""

    code: tuple[str, ...]
    """Modules of `headrace.data.<modality>`; they are copied into one flat package."""
    requirements: tuple[str, ...]
    """Packages beside REQUIREMENTS."""


TRAVELLING: dict[ModalityName, ServingCode] = {
    "image": ServingCode(("decode", "resize", "serving"), ("pillow",)),
    "text": ServingCode(("repair", "serving"), ("tokenizers",)),
    "table": ServingCode(("parsing", "encoding.encode", "encoding.serving"), ("pyarrow",)),
}


def make_card(bundle: Bundle, validated: Json) -> Json:
    """What serving must know; `validated`: the metrics of `validate`. A tokenizer goes beside it."""
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
    """Writes the card, and a text's tokenizer, into `folder`; name -> path."""
    texts = {"card": card}
    if "tokenizer" in bundle.card.transform:
        texts["tokenizer"] = bundle.card.transform["tokenizer"]
    paths = {name: folder / f"{name}.json" for name in texts}
    for name, path in paths.items():
        path.write_text(json.dumps(texts[name]), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def write_code(folder: Path, modality: ModalityName) -> str:
    """Writes the code under a name of its own, so that an installed headrace is never mixed in; tells its folder."""
    package = folder / f"headrace_{modality}"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    modules = TRAVELLING[modality].code
    for name in modules:
        text = (files(f"headrace.data.{modality}") / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        for other in modules:
            text = text.replace(
                f"headrace.data.{modality}.{other} ", f"headrace_{modality}.{other.rpartition('.')[2]} "
            )
        (package / f"{name.rpartition('.')[2]}.py").write_text(text, encoding="utf-8")
    return str(package)


def pin_requirements(modality: ModalityName) -> list[str]:
    """Pinned as they are installed here."""
    return [f"{name}=={version(name)}" for name in (*REQUIREMENTS, *TRAVELLING[modality].requirements)]


def make_signature(bundle: Bundle) -> ModelSignature:
    """Columns in and out. A table's may be strings or numbers, and may be missing."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType, Array, Map

    spec = bundle.spec
    columns = {
        "image": [ColSpec(DataType.binary, "image")],
        "text": [ColSpec(DataType.string, "text")],
        "table": [ColSpec(AnyType(), column.name, required=False) for column in spec.columns],
    }
    several = [ColSpec(DataType.double, name) for name in spec.targets]
    answers = {
        "classification": [ColSpec(DataType.string, "label"), ColSpec(DataType.double, "confidence")],
        "multilabel": [ColSpec(Array(DataType.string), "labels"), ColSpec(Map(DataType.double), "probabilities")],
        "regression": several or [ColSpec(DataType.double, "prediction")],
    }
    return ModelSignature(Schema(columns[spec.modality]), Schema(answers[spec.task]))


def make_input_example(bundle: Bundle, inputs: Any) -> dict[str, Any]:
    """A row as a server is asked, made of the first of stored `inputs`."""
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
    from headrace.data.table.encoding.decode import decode_value, inputs_by_column

    places = {name: places[0] for name, places in inputs_by_column(transform).items()}
    values = {name: decode_value(transform, place, float(stored[place])) for name, place in places.items()}
    return {name: value for name, value in values.items() if value is not None}


EXAMPLES = {"image": _example_image, "text": _example_text, "table": _example_row}
