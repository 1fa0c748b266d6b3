"""What versions and runs have stored, also those of an earlier release, and of moved projects."""

import json

import pyarrow.parquet as pq
import pytest

from headrace.comparison.recorded_model import read_recorded_model
from headrace.comparison.references import find_model
from headrace.errors import DataError
from headrace.tracking.client import connect
from headrace.tracking.served.result_files import ResultFiles
from headrace.tracking.served.result_index import open_index
from tests.comparison.stored_models import draw_classes, make_record


def read(paths, reference, scratch):
    return read_recorded_model(ResultFiles(paths, scratch), find_model(open_index(paths), reference, "pets"), "A")


def test_version_has_its_own_answers_and_origin(pets, tmp_path):
    model, record = read(pets, "1", tmp_path), make_record(0.001)
    assert model.answers.equals(draw_classes(600, 0.8, 2))
    assert (model.task, model.outcome) == ("classification", "correct")
    assert model.title == "pets version 1 (champion), run cnn-1"
    assert {
        "settings": model.settings,
        "lineage": model.lineage,
        "code": model.code,
        "metrics": model.metrics,
    } == record


def test_run_has_the_same_but_for_the_code_of_other_stages(pets, tmp_path):
    version, run = read(pets, "2", tmp_path), read(pets, "cnn-2", tmp_path)
    assert run.title == "run cnn-2"
    assert run.answers.equals(version.answers)
    assert (run.settings, run.metrics) == (version.settings, version.metrics)
    assert run.code == {"train": version.code["train"]}
    assert run.lineage["packages"] == version.lineage["packages"]


def test_version_of_an_earlier_release_takes_what_its_run_still_has_of_it(own_pets, tmp_path):
    stored = find_model(open_index(own_pets), "3", "pets")
    run_dir = own_pets.root / "mlartifacts" / stored.run_id / "artifacts"
    own, files = stored._replace(run_uri=run_dir.as_uri()), ResultFiles(own_pets, tmp_path)
    old = read_recorded_model(files, own, "A")
    assert old.answers.equals(draw_classes(600, 0.9, 3))
    assert old.settings["train"]["learning_rate"] == 0.01
    pq.write_table(draw_classes(600, 0.5, 7), run_dir / "reports" / "test" / "predictions.parquet")
    outcomes = read_recorded_model(files, own, "A").answers
    assert outcomes.equals(old.answers.select(["row_id", "correct"])), "a later version of the training was tested"
    alone = read_recorded_model(files, stored._replace(run_uri=""), "A")
    assert (alone.answers.num_rows, alone.settings, alone.lineage) == (600, {}, {})


def test_files_of_a_moved_project_are_found(pets, own_pets, tmp_path):
    stored = find_model(open_index(own_pets), "1", "pets")
    elsewhere = stored._replace(version_uri=stored.version_uri.replace(str(pets.root), "/nowhere/before"))
    assert "/nowhere/before/mlartifacts" in elsewhere.version_uri
    model = read_recorded_model(ResultFiles(own_pets, tmp_path), elsewhere, "A")
    assert model.answers.num_rows == 600


def test_version_without_answers_is_one_line(own_pets, tmp_path):
    connect(own_pets).create_model_version("pets", source=str(tmp_path))
    with pytest.raises(
        DataError, match=r"^pets version 4, without a run: has no stored answers to test rows"
    ) as caught:
        read(own_pets, "4", tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_record_leaves_the_answers(own_pets, tmp_path):
    stored = find_model(open_index(own_pets), "1", "pets")
    folder = next(
        path.parent for path in own_pets.root.glob("mlartifacts/models/*/artifacts/evaluation/record.json")
        if json.loads(path.read_text())["settings"]["train"]["learning_rate"] == 0.001
    )  # fmt: skip
    (folder / "record.json").write_text("{")
    own = stored._replace(version_uri=folder.parent.as_uri(), run_uri="")
    assert read_recorded_model(ResultFiles(own_pets, tmp_path), own, "A").settings == {}
