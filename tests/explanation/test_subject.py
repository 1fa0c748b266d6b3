import numpy as np
import pytest

from headrace.evaluation.metrics.classification import softmax
from headrace.evaluation.predictions import predict_split
from headrace.explanation.subject import Subject
from headrace.explanation.views import VIEWS
from headrace.models.network import load_network
from headrace.paths import Paths
from headrace.storage.bundle import GRAPH, read_bundle


def load_subject(paths: Paths, **calibration: float) -> Subject:
    """The float32 graph as it would be served."""
    bundle = read_bundle(paths.trained_dir)
    view = VIEWS[bundle.spec.modality](bundle.card.transform)
    path = paths.trained_dir / GRAPH
    return Subject(
        bundle, bundle.spec, path, "float32", calibration, calibration.__getitem__, load_network(bundle), view, 4
    )


@pytest.fixture
def subject(request: pytest.FixtureRequest, built_project) -> Subject:
    return load_subject(built_project(*request.param), temperature=2.5)


def answer(subject: Subject, paths: Paths):
    return subject.answer(predict_split(subject.bundle, paths.normalized_dir / "val", subject.graph_path), None)


def test_answers_have_calibrated_probabilities(built_project) -> None:
    paths = built_project("image", "classification")
    split = answer(load_subject(paths, temperature=2.5), paths)
    expected = softmax(split.predictions.logits, 2.5)
    assert split.answers.confidence == pytest.approx(expected.max(axis=1))
    assert (split.answers.predicted == expected.argmax(axis=1)).all()
    assert (split.answers.is_right == (split.answers.predicted == split.answers.targets)).all()


@pytest.mark.parametrize("kind", [("image", "classification"), ("table", "regression")], ids="-".join)
def test_float32_graph_agrees_with_itself(kind, built_project) -> None:
    paths = built_project(*kind)
    subject = load_subject(paths, temperature=1.0)
    compared = subject.compare_with_float32(answer(subject, paths).predictions)
    assert compared == ({"agreement": 1.0} if kind[1] == "classification" else {"agreement": 1.0, "difference": 0.0})


@pytest.mark.parametrize("kind", [("table", "classification"), ("table", "regression")], ids="-".join)
def test_score_of_unchanged_rows_is_their_confidence_or_full_similarity(kind, built_project) -> None:
    paths = built_project(*kind)
    subject = load_subject(paths, temperature=2.5)
    split = answer(subject, paths)
    rows = np.array([3, 1, 7])
    scores = subject.make_score(split, rows)(split.predictions.arrays.inputs[rows])
    confidence = split.answers.confidence
    assert scores == pytest.approx(np.ones(3) if confidence is None else confidence[rows])


def test_values_may_move_either_way_and_classes_only_count_what_supports_them(built_project) -> None:
    maps = np.array([[-2.0, 1.0]], np.float32)
    strengths = [
        load_subject(built_project("table", task)).measure_strength(maps).tolist()
        for task in ("classification", "regression")
    ]
    assert strengths == [[[-2, 1]], [[2, 1]]]


def test_rows_are_explained_by_each_method(built_project) -> None:
    paths = built_project("table", "classification")
    subject = load_subject(paths, temperature=1.0)
    split = answer(subject, paths)
    explained = subject.explain(split, np.array([5, 2]), ["occlusion", "integrated_gradients"])
    assert list(explained.maps) == ["occlusion", "integrated_gradients"]
    assert all(maps.shape == (2, 4) for maps in explained.maps.values())
    assert subject.explain(split, np.array([], np.int64), ["occlusion"]).maps == {}
