"""A table whose cells are URLs of images, from a web server to a registered model; patients stay in one split."""

import io
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.arrays import open_arrays
from headrace.storage.parquet import read_table
from tests.image_server import serve_images
from tests.projects import write_image_folder

NUM_PATIENTS, MISSING = 60, {7, 70, 133}
pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def write_scans(folder, site):
    """scans.csv: three images a patient, under URLs; those of MISSING are not there."""
    photos = write_image_folder(folder / "photos", NUM_PATIENTS)
    lines = ["patient,scan,finding"]
    for index, path in enumerate(sorted(photos.rglob("*.png"))):
        url = f"{site.url}/scans/{index:03d}.png"
        if index not in MISSING:
            site.put(f"/scans/{index:03d}.png", path.read_bytes())
        lines.append(f"p{index % NUM_PATIENTS:03d},{url},{path.parent.name}")
    (folder / "scans.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project after all eleven stages, and what they printed."""
    folder = tmp_path_factory.mktemp("image_table")
    params = {
        "ingest": {"source": "scans.csv", "target": "finding", "allow_private_addresses": True},
        "split": {"group": "patient", "fractions": [0.6, 0.2, 0.2]},
        "train": {
            "model": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16]},
            "max_epochs": 15, "batch_size": 16, "learning_rate": 0.01, "num_workers": 0,
        },
        "explain": {"num_rows": 8, "num_examples": 3},
        "register": {"name": "scans"},
    }  # fmt: skip
    (folder / "params.yaml").write_text(json.dumps(params))
    errors = {}
    with serve_images() as site, pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_scans(folder, site)
        for stage in STAGES:
            command = [sys.executable, "-m", "headrace", stage]
            process = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
            assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
            errors[stage] = process.stderr
        requested = list(site.requested)
    return Paths(folder), errors, requested


def test_every_url_is_requested_once_and_one_line_reports_failures(project):
    _, errors, requested = project
    assert len(requested) == len(set(requested)) == 3 * NUM_PATIENTS
    assert errors["ingest"].count("\n") == 1
    assert f"{len(MISSING)} of {3 * NUM_PATIENTS} images cannot be loaded" in errors["ingest"]
    assert "404" in errors["ingest"]


def test_rows_without_an_image_are_in_quarantine_with_their_patient(project):
    paths, _, _ = project
    rows = read_table(paths.quarantine_dir).to_pylist()
    assert {int(row["path"][-7:-4]) for row in rows} == MISSING
    assert {row["patient"] for row in rows} == {f"p{index % NUM_PATIENTS:03d}" for index in MISSING}
    assert {row["check"] for row in rows} <= {"undecodable", "empty"}
    assert all(row["reason"] for row in rows)
    assert read_table(paths.clean_dir).num_rows == 3 * NUM_PATIENTS - len(MISSING)


def test_no_patient_is_in_two_splits(project):
    paths, _, _ = project
    splits = {row["row_id"]: row["split"] for row in read_table(paths.split_dir).to_pylist()}
    by_patient = {}
    for row in read_table(paths.clean_dir, ["row_id", "patient"]).to_pylist():
        by_patient.setdefault(row["patient"], set()).add(splits[row["row_id"]])
    assert len(by_patient) == NUM_PATIENTS
    assert all(len(names) == 1 for names in by_patient.values())
    assert set.union(*by_patient.values()) == {"train", "val", "test"}


def test_arrays_hold_the_served_images(project):
    paths, _, _ = project
    spec = Spec.read(paths.normalized_dir)
    assert (spec.modality, spec.input_shape) == ("image", [16, 16, 1])
    served = {row["row_id"]: row["image"] for row in read_table(paths.raw_dir, ["row_id", "image"]).to_pylist()}
    num_rows = 0
    for split in ("train", "val", "test"):
        stored = open_arrays(paths.normalized_dir / split)
        for pixels, row_id in zip(stored.inputs, stored.row_ids.astype(str), strict=True):
            assert np.array_equal(pixels[..., 0], np.asarray(Image.open(io.BytesIO(served[row_id]))))
        num_rows += len(stored)
    assert num_rows == 3 * NUM_PATIENTS - len(MISSING)


def test_model_that_learned_is_registered(project):
    paths, _, _ = project
    registered = json.loads(paths.registered_path.read_text())
    assert (registered["name"], registered["version"]) == ("scans", 1)
    assert json.loads(paths.metrics_path("test").read_text())["accuracy"] > 0.7
    predictions = pq.read_table(paths.report_dir("test") / "predictions.parquet")
    assert predictions.num_rows == json.loads(paths.metrics_path("split").read_text())["test"]
