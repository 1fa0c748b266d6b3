from headrace.comparison.differences import Difference, find_differences
from tests.comparison.stored_models import draw_classes, make_record

TABLE = draw_classes(5, 0.8, 2)


def differences_of(make_models, first, second):
    return find_differences(*make_models(TABLE, TABLE, records=(first, second)))


def test_same_origin_differs_in_nothing(make_models):
    assert differences_of(make_models, make_record(), make_record()) == ([], [], [], [])


def test_each_difference_is_named_under_its_topic(make_models):
    second = make_record(
        settings={"train": {"learning_rate": 0.1, "model": {"name": "vit"}, "ema": True}, "register": {"license": "x"}},
        lineage={
            "data": {"raw": "b" * 32 + ".dir"}, "git_commit": "d" * 40, "git_dirty": True, "python": "3.12.1",
            "packages": {"torch": "2.14.0", "numpy": "2.4"}, "model_code": {"nets": "e" * 64},
        },
        code={"train": "9" * 64, "explain": "5" * 64},
        metrics={"split": {"train": 4000}},
    )  # fmt: skip
    found = differences_of(make_models, make_record(0.01), second)
    assert found.settings == [
        Difference("train.learning_rate", "0.01", "0.1"), Difference("train.model.name", "cnn", "vit"),
        Difference("split.seed", "0", "(default)"), Difference("train.ema", "(default)", "true"),
    ]  # fmt: skip
    assert found.data == [
        Difference("hash of data/raw", "a" * 12, "b" * 12), Difference("train rows", "unknown", "4,000"),
    ]  # fmt: skip
    assert found.code == [
        Difference("code of train", "1" * 12, "9" * 12),
        Difference("commit", "c" * 12, f"{'d' * 12} with uncommitted changes"),
        Difference("module nets", "unknown", "e" * 12),
    ]
    assert found.environment == [
        Difference("python", "3.11.7", "3.12.1"), Difference("torch", "2.13.0", "2.14.0"),
        Difference("numpy", "unknown", "2.4"),
    ]  # fmt: skip


def test_what_one_of_them_has_not_stored_is_unknown_and_not_equal(make_models):
    nothing = {"settings": {}, "lineage": {}, "code": {}, "metrics": {}}
    assert differences_of(make_models, make_record(), nothing) == (None, None, None, None)
