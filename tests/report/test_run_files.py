"""What is shown is of one run: results that are older than a stage which has not run are left out."""

import pytest
from ruamel.yaml import YAML

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.report.run_files import RunFiles


def test_all_files_of_a_complete_run_are_read(complete):
    run = RunFiles(complete)
    assert run.first_missing == ""
    assert run.metrics("test")["accuracy"] == 0.8
    assert run.spec["source"] == "reviews.csv"
    assert run.registered["version"] == 2
    assert run.read_csv("test", "reports/test/per_class.csv")[1] == {"class": "good", "rows": "6", "f1": "1.0"}


def test_nothing_is_read_of_an_empty_project(tmp_path):
    run = RunFiles(Paths(tmp_path))
    assert run.first_missing == "ingest"
    assert (run.metrics("clean"), run.spec, run.card, run.registered) == ({}, {}, {}, {})
    assert run.explain_absence("clean", "data/clean") == "Stage clean, which writes data/clean, has not run to its end."


def test_results_after_a_failed_stage_are_of_an_earlier_run(complete):
    complete.metrics_path("validate").unlink()  # DVC removes it before the stage runs; a failed gate writes none
    run = RunFiles(complete)
    assert run.first_missing == "validate"
    assert run.card
    assert (run.metrics("test"), run.registered, run.read_csv("test", "reports/test/slices.csv")) == ({}, {}, [])
    assert run.read_json("validate", "reports/validate/gates.json")["rules"], "the failed stage says why"
    assert run.read_json("quantize", "reports/quantize/gates.json") is None
    assert run.explain_absence("test", "it") == "Stage test has not run since stage validate; `dvc repro` writes it."


def test_results_of_other_inputs_than_the_current_ones_are_of_an_earlier_run(complete):
    def write_lock(trained):
        stages = {
            "train": {"outs": [{"path": "models/trained", "md5": trained}]},
            "validate": {"deps": [{"path": "models/trained", "md5": "a"}, {"path": "data/normalized/val", "md5": "v"}]},
        }
        with (complete.root / "dvc.lock").open("w") as file:
            YAML().dump({"schema": "2.0", "stages": stages}, file)

    write_lock("a")
    assert RunFiles(complete).first_missing == ""
    write_lock("b")  # as after `dvc repro train`
    run = RunFiles(complete)
    assert run.first_missing == "validate"
    assert run.read_json("validate", "reports/validate/gates.json") is None, "those of the earlier model"


def test_register_reads_all_before_it_has_written_its_own(complete):
    complete.metrics_path("register").unlink()
    complete.registered_path.unlink()
    assert RunFiles(complete).registered == {}
    run = RunFiles(complete, {"version": 3})
    assert run.registered == {"version": 3}
    assert run.metrics("explain")


def test_search_is_optional(complete):
    assert not complete.metrics_path("tune").exists()
    assert RunFiles(complete).first_missing == ""


def test_damaged_file_is_one_line(complete):
    (complete.root / "reports" / "test" / "baselines.json").write_text("{")
    with pytest.raises(DataError, match=r"baselines\.json: not JSON \(.*\); run: dvc repro --force test$"):
        RunFiles(complete).read_json("test", "reports/test/baselines.json")
