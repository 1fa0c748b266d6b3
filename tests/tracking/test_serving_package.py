"""The contents of a served model: its card, code, requirements, signature and input example."""

import json
import subprocess
import sys

import numpy as np
import pytest

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import Bundle, BundleCard, read_bundle
from headrace.tracking.serving_package import (
    SERVING_CODE,
    make_card,
    make_input_example,
    make_signature,
    pin_requirements,
    write_artifacts,
    write_code,
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
    paths = write_artifacts(tmp_path, card, bundle)
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == {"model": 1}
    assert sorted(paths) == ["card", "tokenizer"]


@pytest.mark.parametrize("modality", SERVING_CODE)
def test_code_is_a_package_that_imports_no_headrace(tmp_path, modality):
    package = write_code(tmp_path, modality)
    code = f"import headrace_{modality}.serving, sys; print([name for name in sys.modules if name == 'headrace'])"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert process.stdout.strip() == "[]"
    assert package == str(tmp_path / f"headrace_{modality}")


@pytest.mark.parametrize("modality", SERVING_CODE)
def test_requirements_are_exact_and_without_torch(modality):
    requirements = pin_requirements(modality)
    assert all("==" in line for line in requirements)
    assert not [line for line in requirements if line.startswith("torch")]


def test_signature_names_columns_and_targets(tmp_path):
    columns = [{"name": "size", "kind": "numeric"}, {"name": "colour", "kind": "categorical"}]
    signature = make_signature(bundle_of(tmp_path, task="regression", columns=columns, targets=["price", "area"]))
    assert signature.inputs.input_names() == ["size", "colour"]
    assert not any(column.required for column in signature.inputs.inputs)
    assert signature.outputs.input_names() == ["price", "area"]


@pytest.mark.parametrize(
    ("project", "names"),
    [(("table", "classification"), {"size", "noise", "colour", "seen"}), (("text", "classification"), {"text"})],
    indirect=["project"],
)
def test_input_example_is_a_raw_row(project: Paths, names):
    bundle = read_bundle(project.trained_dir)
    example = make_input_example(bundle, open_arrays(project.normalized_dir / "val").inputs)
    assert set(example) <= names
    assert len(example) >= len(names) - 1, "a missing cell may be left out"


def test_input_example_of_an_image_is_a_png_of_its_pixels(trained: Paths):
    import io

    from PIL import Image

    inputs = open_arrays(trained.normalized_dir / "val").inputs
    example = make_input_example(read_bundle(trained.trained_dir), inputs)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(example["image"]))), inputs[:1][0][..., 0])
