"""The check that rows do not change each other's answers finds a range over the whole batch."""

from pathlib import Path

import numpy as np
import pytest

from headrace.paths import Paths
from headrace.quantization.batch_independence import measure_batch_difference
from headrace.quantization.candidates import CANDIDATES, make_candidate, prepare_graph
from headrace.quantization.selection import MAX_BATCH_DIFFERENCE
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.storage.onnx_model import OnnxModel

KINDS = [("table", "classification"), ("image", "classification"), ("text", "classification")]


def measure(project: Paths, path: Path) -> float:
    bundle, val = read_bundle(project.trained_dir), open_arrays(project.normalized_dir / "val")
    return measure_batch_difference(OnnxModel(path), val.inputs, bundle.spec, bundle.card.transform)


@pytest.mark.parametrize("project", KINDS, indirect=True, ids="-".join)
def test_float32_weights_and_static_candidates_answer_alike(project: Paths, tmp_path: Path) -> None:
    assert measure(project, project.trained_dir / "model.onnx") < 1e-4
    rows = open_arrays(project.normalized_dir / "train").inputs[np.arange(64)]
    prepare_graph(project.trained_dir / "model.onnx", tmp_path / "prepared.onnx")
    is_large = read_bundle(project.trained_dir).spec.modality != "table"
    for name in ("static_minmax", "static_percentile", *(["weights"] if is_large else [])):
        make_candidate(CANDIDATES[name], tmp_path / "prepared.onnx", tmp_path / f"{name}.onnx", rows=rows)
        assert measure(project, tmp_path / f"{name}.onnx") < MAX_BATCH_DIFFERENCE


@pytest.mark.parametrize("project", KINDS[:1], indirect=True, ids="-".join)
def test_dynamic_ranges_do_not(project: Paths, tmp_path: Path) -> None:
    rows = open_arrays(project.normalized_dir / "train").inputs[np.arange(64)]
    prepare_graph(project.trained_dir / "model.onnx", tmp_path / "prepared.onnx")
    make_candidate(CANDIDATES["dynamic"], tmp_path / "prepared.onnx", tmp_path / "dynamic.onnx", rows=rows)
    assert measure(project, tmp_path / "dynamic.onnx") > 10 * MAX_BATCH_DIFFERENCE
