import json

from headrace.comparison.compare_models import compare_models, describe_models
from tests.comparison.stored_models import draw_classes, draw_values, make_record


def test_each_model_is_compared_with_the_first(make_models):
    models = make_models(*(draw_classes(400, accuracy, 2) for accuracy in (0.8, 0.9, 0.7)))
    comparisons = compare_models(models, None, 2)
    assert [(each.first.letter, each.second.letter, each.verdict) for each in comparisons] == [
        ("A", "B", "better"), ("A", "C", "worse"),
    ]  # fmt: skip
    assert all(len(each.flips.fixed) <= 2 and len(each.flips.broken) <= 2 for each in comparisons)


def test_json_has_everything_but_the_answers(make_models):
    models = make_models(
        draw_classes(400, 0.8, 2), draw_classes(400, 0.9, 3), records=(make_record(0.1), make_record())
    )
    (comparison,) = compare_models(models, None, 2)
    content = json.loads(json.dumps({"models": describe_models(models), "comparisons": [comparison.to_json()]}))
    assert [(model["letter"], model["task"], "answers" in model) for model in content["models"]] == [
        ("A", "classification", False), ("B", "classification", False),
    ]  # fmt: skip
    (found,) = content["comparisons"]
    assert found["verdict"] == "better"
    assert found["rows"] == {"common": 400, "first": 400, "second": 400, "relabelled": 0}
    assert found["metrics"][0]["name"] == "accuracy"
    assert found["metrics"][0]["effect"] == 1
    assert found["differences"]["settings"] == [{"name": "train.learning_rate", "first": "0.1", "second": "0.01"}]
    assert len(found["flipped"]["fixed"]) == 2
    assert {change["column"] for change in found["slices"]} == {"class"}


def test_models_without_common_rows_still_say_what_differs(make_models):
    models = make_models(draw_classes(40, 0.8, 2), draw_values(40, 1.0, 2), records=(make_record(0.1), make_record()))
    (comparison,) = compare_models(models, None, 2)
    content = comparison.to_json()
    assert (content["verdict"], content["metrics"], content["flipped"]) == ("not compared", [], None)
    assert content["differences"]["settings"]
