"""The contents of a served model: its code, packages, signature and input example, by modality."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import Json, ModalityName
from headrace.data.table.encoding.decode import decode_cell, inputs_by_column
from headrace.runtime import is_plain
from headrace.storage.bundle import Bundle
from headrace.tracking.served.outcomes import OUTCOMES_DIR, RECORD
from headrace.tracking.served.predictor import name_values

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow.models import ModelSignature

REQUIREMENTS = ("mlflow", "onnxruntime", "numpy", "pandas")
"""Packages that serving needs for any modality; torch is not one of them."""

MEASURED = ("temperature", "threshold")
"""Metrics of `validate` that serving needs, in addition to the half widths `interval_90`."""


@dataclass(frozen=True)
class Candidate:
    """A model to register as a new version."""

    name: str
    """Name of the model in the registry."""
    run_id: str
    bundle: Bundle
    graph: Path
    """The bundle's graph, or the quantized one."""
    card: Json
    """What serving needs to know; see `make_card`."""
    example: dict[str, Any]
    """The input example: a row as a client sends it."""
    tags: Mapping[str, str]
    reference: Json
    """Histograms of train rows and of answers for test rows; see `evaluation/metrics/drift.py`."""
    outcomes: Mapping[str, pa.Table]
    """Split -> the outcomes of this graph on its rows, to which later models are compared."""
    record: Json
    """Where the model comes from; see `served/outcomes.py`."""
    statement: Json = field(default_factory=dict)
    """What a person says about the model in its card."""


@dataclass(frozen=True)
class ServingCode:
    """Code and packages of a served model."""

    code: tuple[str, ...]
    """Modules of `headrace`, in addition to COMMON_CODE; they are copied into one flat package."""
    requirements: tuple[str, ...]
    """Packages in addition to REQUIREMENTS."""


MODEL_CODE, FUTURE = "served_model.py", "from __future__ import annotations\n"
COMMON_CODE = ("data.request_rows", "tracking.served.predictor", "tracking.served.scoring_requests")
"""Modules of `headrace` in the package of every modality."""
TEXT_CODE = ("data.text.repair", "data.text.token_ids")
SERVING_CODE: dict[ModalityName, ServingCode] = {
    "image": ServingCode(
        (
            "data.sources.image_formats",
            "data.image.open_image",
            "data.image.deep_values",
            "data.image.value_range",
            "data.image.resize",
            "data.image.decode",
            "data.image.serving",
        ),
        ("pillow",),
    ),
    "text": ServingCode((*TEXT_CODE, "data.text.serving"), ()),
    "table": ServingCode(
        (
            *TEXT_CODE,
            *("data.table.number_format", "data.table.parsing"),
            *("data.table.encoding.encode", "data.table.encoding.serving"),
        ),
        ("pyarrow",),
    ),
}


def save_model(folder: Path, candidate: Candidate) -> None:
    """Writes a model in MLflow's layout: code, graph, card, signature, example, pinned requirements, outcomes."""
    import mlflow
    import pandas as pd
    import pyarrow.parquet as pq

    _skip_search_of_packages()
    scratch, bundle = folder.parent, candidate.bundle
    modality = bundle.spec.modality
    model_code = write_model_code(scratch)
    texts = {"card": candidate.card, "reference": candidate.reference}
    artifacts = {"graph": str(candidate.graph), **write_artifacts(scratch, texts, bundle)}
    package = write_code(scratch, modality)
    checksums = write_checksums(scratch, artifacts.values(), package, model_code)
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(model_code),
        artifacts={**artifacts, "checksums": checksums},
        code_paths=[str(package)],
        signature=make_signature(bundle),
        input_example=pd.DataFrame([candidate.example]),
        pip_requirements=pin_requirements(modality, has_tokenizer="tokenizer" in artifacts),
    )
    (folder / OUTCOMES_DIR).mkdir()
    for split, outcomes in candidate.outcomes.items():
        pq.write_table(outcomes, folder / OUTCOMES_DIR / f"{split}.parquet")
    record = json.dumps(candidate.record, indent=2, default=str)  # YAML has dates
    (folder / OUTCOMES_DIR / RECORD).write_text(record, encoding="utf-8")


def _skip_search_of_packages() -> None:
    """Keeps MLflow from reading the file lists of all installed packages, to check requirements against them.

    That takes 0.6 s, and the requirements are pinned to what is installed.
    """
    from mlflow.utils import requirements_utils

    if not is_plain():
        requirements_utils._MODULES_TO_PACKAGES = {}  # noqa: SLF001 there is no setting for it


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
        "missing": bundle.spec.missing,
        "input_column": bundle.spec.input_column,
        "other_columns": [*bundle.spec.other_columns, *_unused_columns(bundle)],
        **{name: validated[name] for name in measured},
        "training_id": bundle.card.training_id,
        **{name: bundle.card.lineage[name] for name in ("privacy",) if name in bundle.card.lineage},
    }


def _unused_columns(bundle: Bundle) -> list[str]:
    """The columns of a table of images or texts beside those; the columns of a table itself are in the transform."""
    if bundle.spec.modality == "table":
        return []
    columns = [column.name for column in bundle.spec.columns]
    is_named = bundle.spec.modality == "image" and bundle.spec.input_column
    return [*columns, *([bundle.spec.input_column] if is_named else [])]


def write_artifacts(folder: Path, contents: Json, bundle: Bundle) -> dict[str, str]:
    """Writes the JSON files by name, and a tokenizer if there is one, into `folder`; returns their paths by name."""
    texts = dict(contents)
    if "tokenizer" in bundle.card.transform:
        texts["tokenizer"] = bundle.card.transform["tokenizer"]
    paths = {name: folder / f"{name}.json" for name in texts}
    for name, path in paths.items():
        path.write_text(json.dumps(texts[name]), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def write_code(folder: Path, modality: ModalityName) -> Path:
    """Writes the code as a package, which an installed headrace cannot replace; returns its folder.

    A hash of the code is in its name: a process that serves two versions has the code of each.
    """
    modules = (*COMMON_CODE, *SERVING_CODE[modality].code)
    texts = {name: (files("headrace") / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in modules}
    package = folder / f"headrace_{modality}_{hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]}"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    for name, text in texts.items():
        for other in modules:
            text = text.replace(f"headrace.{other} ", f"{package.name}.{other.rpartition('.')[2]} ")  # noqa: PLW2901
        (package / f"{name.rpartition('.')[2]}.py").write_text(text, encoding="utf-8")
    return package


def write_model_code(folder: Path) -> Path:
    """Writes the code of the model into one file, with the code that checks all others; returns its path."""
    served = files("headrace.tracking.served")
    text, checks = (served.joinpath(name).read_text(encoding="utf-8") for name in (MODEL_CODE, "verified_files.py"))
    (line,) = (line for line in text.splitlines(keepends=True) if "served.verified_files import" in line)
    path = folder / MODEL_CODE
    path.write_text(text.replace(line, checks.replace(FUTURE, "")), encoding="utf-8")
    return path


def write_checksums(folder: Path, artifacts: Iterable[str], package: Path, model_code: Path) -> str:
    """Writes the SHA-256 of every file that a served model loads, by its path in the model; returns the path."""
    in_model = {f"artifacts/{Path(path).name}": Path(path) for path in artifacts}
    in_model |= {f"code/{package.name}/{path.name}": path for path in package.glob("*.py")}
    in_model[model_code.name] = model_code
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(in_model.items())}
    checksums_path = folder / "checksums.json"
    checksums_path.write_text(json.dumps({"package": package.name, "files": hashes}, indent=2), encoding="utf-8")
    return str(checksums_path)


def pin_requirements(modality: ModalityName, *, has_tokenizer: bool) -> list[str]:
    """Returns the packages that serving needs, pinned to the installed versions."""
    names = (*REQUIREMENTS, *SERVING_CODE[modality].requirements, *(["tokenizers"] if has_tokenizer else []))
    return [f"{name}=={version(name)}" for name in names]


def make_signature(bundle: Bundle) -> ModelSignature:
    """Returns the input and output columns, and the parameters; columns that the model uses are required.

    The columns have types for readers and for the page of MLflow. The served model checks the cells itself: MLflow
    refuses whole numbers for `double` in a process, and over HTTP casts cells, drops unknown columns and merges rows.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Map

    spec, used = bundle.spec, {column["name"] for column in bundle.card.transform.get("columns", [])}
    types = {"numeric": DataType.double}
    columns = {
        "image": [ColSpec(DataType.binary, "image")],
        "text": [ColSpec(DataType.string, spec.input_column or "text")],
        "table": [
            ColSpec(types.get(column.kind, DataType.string), column.name, required=column.name in used)
            for column in spec.columns
        ],
    }
    probabilities = ColSpec(Map(DataType.double), "probabilities")
    outputs = {
        "classification": [
            ColSpec(DataType.string, "label"), ColSpec(DataType.double, "confidence"), probabilities,
            ColSpec(DataType.boolean, "abstain", required=False),
        ],
        "multilabel": [ColSpec(Array(DataType.string), "labels"), probabilities],
        "regression": [ColSpec(DataType.double, name) for name in name_values(spec.targets)],
    }  # fmt: skip
    params = [ParamSpec("abstain", "boolean", False)] if spec.task == "classification" else []
    params.append(ParamSpec("on_invalid", "string", "refuse"))
    version = ColSpec(DataType.string, "version")
    signature = ModelSignature(
        Schema(columns[spec.modality]), Schema([*outputs[spec.task], version]), ParamSchema(params)
    )
    signature._is_signature_from_type_hint = True  # noqa: SLF001 MLflow's mark of models that check inputs themselves
    return signature


def make_input_example(bundle: Bundle, inputs: Any) -> dict[str, Any]:
    """Returns the first of the stored `inputs` as a raw row."""
    row = EXAMPLES[bundle.spec.modality](bundle.card.transform, inputs[:1][0])
    if bundle.spec.modality == "text" and bundle.spec.input_column:
        return {bundle.spec.input_column: row["text"]}
    return row


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
    return {name: decode_cell(transform, places, stored) for name, places in inputs_by_column(transform).items()}


EXAMPLES = {"image": _example_image, "text": _example_text, "table": _example_row}
