"""The contents of a served model: its card, code, requirements, signature and input example."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import Bundle, BundleCard, read_bundle
from headrace.tracking import serving_package
from headrace.tracking.serving_package import (
    SERVING_CODE,
    make_card,
    make_input_example,
    make_signature,
    pin_requirements,
    write_artifacts,
    write_checksums,
    write_code,
    write_model_code,
)


def bundle_of(tmp_path, *, modality="table", task="classification", **spec):
    described = Spec(modality=modality, task=task, source="drawn", format="table", num_rows=9, **spec)
    transform = {"columns": [], "tokenizer": {"model": 1}} if modality == "text" else {"columns": []}
    lineage = {"privacy": {"epsilon": 3.0}, "git_commit": "abc"}
    return Bundle(tmp_path, BundleCard("0" * 16, {}, described.model_dump(), transform, {}, lineage))


def test_card_has_what_serving_needs_and_no_tokenizer(tmp_path):
    bundle = bundle_of(tmp_path, modality="text", classes=["a", "b"])
    validated = {"temperature": 1.5, "threshold": 0.4, "interval_90_price": 3.0, "accuracy": 0.9}
    card = make_card(bundle, validated)
    assert card["classes"] == ["a", "b"]
    assert (card["temperature"], card["threshold"], card["interval_90_price"]) == (1.5, 0.4, 3.0)
    assert card["privacy"] == {"epsilon": 3.0}
    assert not {"tokenizer", "accuracy", "git_commit"} & set(card)
    paths = write_artifacts(tmp_path, {"card": card, "reference": {"inputs": []}}, bundle)
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == {"model": 1}
    assert sorted(paths) == ["card", "reference", "tokenizer"]


@pytest.mark.parametrize("modality", SERVING_CODE)
def test_code_is_a_package_that_imports_no_headrace(tmp_path, modality):
    package = write_code(tmp_path, modality)
    assert re.fullmatch(rf"headrace_{modality}_[0-9a-f]{{12}}", package.name)
    code = f"""
import sys
sys.path = [path for path in sys.path if "pipeline" not in path]
import {package.name}.serving, {package.name}.scoring_requests
print([name for name in sys.modules if name.partition(".")[0] == "headrace"])
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert process.stdout.strip() == "[]"


def test_another_code_is_a_package_of_another_name(tmp_path, monkeypatch):
    for name in ("first", "same", "other"):
        (tmp_path / name).mkdir()
    first, same = (write_code(tmp_path / name, "text").name for name in ("first", "same"))
    monkeypatch.setattr(serving_package, "COMMON_CODE", (*serving_package.COMMON_CODE, "errors"))
    assert first == same != write_code(tmp_path / "other", "text").name


def test_model_code_is_one_file_that_checks_the_others(tmp_path):
    text = write_model_code(tmp_path).read_text()
    compile(text, "served_model.py", "exec")
    assert "def verify_files(" in text
    assert "import headrace" not in text
    assert "from headrace" not in text


def test_checksums_name_every_file_that_a_served_model_loads(tmp_path):
    package = write_code(tmp_path, "image")
    for name in ("model.onnx", "card.json", "served_model.py"):
        (tmp_path / name).write_text(name)
    artifacts = [str(tmp_path / name) for name in ("model.onnx", "card.json")]
    written = json.loads(Path(write_checksums(tmp_path, artifacts, package, tmp_path / "served_model.py")).read_text())
    assert written["package"] == package.name
    code = {f"code/{package.name}/{path.name}" for path in package.glob("*.py")}
    assert set(written["files"]) == {"artifacts/model.onnx", "artifacts/card.json", "served_model.py", *code}
    assert written["files"]["artifacts/card.json"] == hashlib.sha256(b"card.json").hexdigest()


@pytest.mark.parametrize("modality", SERVING_CODE)
def test_requirements_are_exact_and_without_torch(modality):
    requirements = pin_requirements(modality, has_tokenizer=modality == "text")
    assert all("==" in line for line in requirements)
    assert any(line.startswith("tokenizers==") for line in requirements) == (modality == "text")
    assert not [line for line in requirements if line.startswith("torch")]


COLUMNS = [
    {"name": "size", "kind": "numeric"},
    {"name": "label", "kind": "categorical"},
    {"name": "seen", "kind": "date"},
    {"name": "note", "kind": "text"},
]


def test_signature_has_the_columns_of_the_source_and_requires_those_that_are_used(tmp_path):
    bundle = bundle_of(tmp_path, task="regression", columns=COLUMNS, targets=["price", "area"])
    used = [{"name": name} for name in ("size", "label", "seen")]
    bundle = replace(bundle, card=replace(bundle.card, transform={"columns": used}))
    signature = make_signature(bundle)
    assert [(column.name, column.type.name, column.required) for column in signature.inputs.inputs] == [
        ("size", "double", True),
        ("label", "string", True),
        ("seen", "string", True),
        ("note", "string", False),
    ]
    assert signature.outputs.input_names() == ["price", "area", "version"]
    assert [param.name for param in signature.params.params] == ["on_invalid"]


def test_signature_of_a_classification_has_a_parameter_to_abstain(tmp_path):
    signature = make_signature(bundle_of(tmp_path, modality="text", classes=["a", "b"]))
    assert [column.name for column in signature.outputs.inputs] == [
        "label",
        "confidence",
        "probabilities",
        "abstain",
        "version",
    ]
    assert [(param.name, param.default) for param in signature.params.params] == [
        ("abstain", False), ("on_invalid", "refuse")
    ]  # fmt: skip


def test_text_of_a_table_has_the_name_of_its_column(tmp_path):
    bundle = bundle_of(tmp_path, modality="text", classes=["a", "b"], input_column="review", other_columns=["stars"])
    assert make_signature(bundle).inputs.input_names() == ["review"]
    card = make_card(bundle, {})
    assert (card["input_column"], card["other_columns"]) == ("review", ["stars"])


def test_card_has_the_missing_values_of_the_source(tmp_path):
    assert make_card(bundle_of(tmp_path, columns=COLUMNS, missing=["", "?"]), {})["missing"] == ["", "?"]


@pytest.mark.parametrize(
    ("project", "names"),
    [(("table", "classification"), {"size", "noise", "colour", "seen"}), (("text", "classification"), {"text"})],
    indirect=["project"],
)
def test_input_example_is_a_raw_row(project: Paths, names):
    bundle = read_bundle(project.trained_dir)
    example = make_input_example(bundle, open_arrays(project.normalized_dir / "val").inputs)
    assert set(example) == names


def test_input_example_of_an_image_is_a_png_of_its_pixels(trained: Paths):
    import io

    from PIL import Image

    inputs = open_arrays(trained.normalized_dir / "val").inputs
    example = make_input_example(read_bundle(trained.trained_dir), inputs)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(example["image"]))), inputs[:1][0][..., 0])
