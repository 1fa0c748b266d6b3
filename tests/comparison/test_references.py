"""Each form of a reference, and one line for each that names nothing."""

import pytest

from headrace.comparison.references import find_models
from headrace.errors import ConfigError
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.served.result_index import open_index
from tests.comparison.stored_models import make_project


def find(paths, *references, last=None, name="pets"):
    return [model.title for model in find_models(open_index(paths), references, last, name)]


FIRST, SECOND, THIRD = (
    "pets version 1 (champion), run cnn-1", "pets version 2 (challenger, shadow), run cnn-2",
    "pets version 3, run cnn-2",
)  # fmt: skip


@pytest.mark.parametrize(
    ("references", "titles"),
    [
        (["1", "2"], [FIRST, SECOND]),
        (["@shadow", "@champion"], [SECOND, FIRST]),
        (["models:/pets/3", "models:/pets@champion", "2"], [THIRD, FIRST, SECOND]),
        (["cnn-1", "cnn-2"], ["run cnn-1", "run cnn-2"]),
        (["2", "cnn-2"], [SECOND, "run cnn-2"]),
        (["2"], [FIRST, SECOND]),
        ([], [FIRST, THIRD]),
    ],
)
def test_references_name_versions_and_runs(pets, references, titles):
    assert find(pets, *references) == titles


def test_run_is_found_by_its_id_and_the_newest_ones_in_order(pets):
    run_id = open_index(pets).find_runs("cnn-1")[0].run_id
    assert find(pets, run_id, "3") == ["run cnn-1", THIRD]
    assert find(pets, last=2) == [SECOND, THIRD]
    assert find(pets, last=9) == [FIRST, SECOND, THIRD]
    assert find(pets, last=2, name="dogs") == ["run cnn-1", "run cnn-2"], "no version has this name"


@pytest.mark.parametrize(
    ("references", "last", "message"),
    [
        (["1", "9"], None, "9: the registry has no version 9 of pets; it has 3, 2, 1"),
        (["1", "@best"], None, "@best: the registry has no alias best of pets; it has 3, 2, 1"),
        (["1", "models:/dogs/1"], None, "models:/dogs/1: the registry has no version 1 of dogs; no model of this name"),
        (["1", "models:/pets"], None, "models:/pets: no such finished run; give a version (3), an alias (@champion)"),
        (["1", "cnn-7"], None, "cnn-7: no such finished run; give"),
        (["1", "@champion"], None, "compare: pets version 1 (champion), run cnn-1 is given twice"),
        (["@champion"], None, "compare: pets version 1 (champion), run cnn-1 is the champion itself; give two models"),
        (["1"], 2, "--last 2: got models as well (1); give one or the other"),
        ([], 1, "--last: got 1; must be 2 to 26"),
        (["1"] * 27, None, "compare: got 27 models; compare at most 26 at once"),
    ],
)
def test_reference_to_nothing_is_one_line(pets, references, last, message):
    with pytest.raises(ConfigError) as caught:
        find(pets, *references, last=last)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_empty_registry_and_ambiguous_names_are_one_line(tmp_path, empty_registry, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = make_project(tmp_path, empty_registry)
    with pytest.raises(ConfigError, match=r"^compare: pets has no registered version; give a version \(3\)"):
        find(paths)
    with pytest.raises(ConfigError, match=r"^--last 3: pets has 0 versions or finished runs; a comparison needs 2$"):
        find(paths, last=3)
    client = connect(paths)
    experiment = find_or_create_experiment(client, paths)
    runs = [client.create_run(experiment, run_name="same").info.run_id for _ in range(2)]
    with pytest.raises(ConfigError, match="^same: no such finished run"):
        find(paths, "same", "1")
    for run in runs:
        client.set_terminated(run)
    with pytest.raises(ConfigError, match="^same: 2 runs have this name; give the id of one: ") as caught:
        find(paths, "same", "1")
    assert all(run in str(caught.value) for run in runs)
    client.create_registered_model("pets")
    client.create_model_version("pets", source=str(tmp_path))
    with pytest.raises(ConfigError, match="^compare: pets version 1, without a run is alone, as pets has no champion"):
        find(paths)
