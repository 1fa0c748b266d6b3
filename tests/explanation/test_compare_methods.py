import numpy as np
import pytest

from headrace.errors import ConfigError
from headrace.evaluation.predictions import predict_split
from headrace.explanation.compare_methods import choose_methods, measure_method
from headrace.explanation.faithfulness import measure_faithfulness
from tests.explanation.test_subject import load_subject


def test_auto_is_every_usual_method_that_fits_the_model(built_project) -> None:
    image, text = (load_subject(built_project(modality, "classification")) for modality in ("image", "text"))
    methods, omitted = choose_methods(image, "occlusion", "auto")
    assert methods == ["occlusion", "integrated_gradients", "grad_cam"]
    assert omitted == {"attention": "the model has no attention"}
    assert choose_methods(text, "integrated_gradients", "auto")[0] == ["integrated_gradients"]
    assert choose_methods(text, "integrated_gradients", ["occlusion"]) == (["integrated_gradients", "occlusion"], {})
    assert choose_methods(text, "occlusion", []) == (["occlusion"], {})


def test_chosen_method_that_does_not_fit_raises_with_the_choices(built_project) -> None:
    subject = load_subject(built_project("text", "classification"))
    expected = r"^params\.yaml: explain\.method: 'attention' does not apply: the model has no attention; choose one of"
    with pytest.raises(ConfigError, match=expected):
        choose_methods(subject, "attention", "auto")


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_methods_are_measured_on_the_served_graph(modality: str, built_project) -> None:
    paths = built_project(modality, "classification")
    subject = load_subject(paths, temperature=1.0)
    split = subject.answer(predict_split(subject.bundle, paths.normalized_dir / "val", subject.graph_path), None)
    rows = np.arange(0, 60, 2)
    result = measure_method(subject, split, subject.explain(split, rows, ["occlusion"]), "occlusion", seed=0)
    assert (result.method, result.num_rows) == ("occlusion", 30)
    assert result.metrics == measure_faithfulness(result.curves)
    assert split.answers.confidence is not None
    assert result.curves.most_first[:, 0] == pytest.approx(split.answers.confidence[rows])
    assert result.metrics["deletion_low"] > 0
    assert result.sanity_check is not None
    assert result.sanity_check < 0.9
