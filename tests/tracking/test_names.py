import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

from headrace.tracking.names import (
    NAME_CHARACTERS,
    decode_name,
    encode_name,
    find_long_values,
    flatten,
    quote_text,
    shorten,
)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("fit/val_loss", "fit/val_loss"),
        ("class_weights.R&B", "class_weights.R:26:B"),
        ("class_weights.a:b", "class_weights.a:3a:b"),
        ("class_weights.2 %", "class_weights.2 :25:"),
        ("a//b", "a:2f::2f:b"),
        ("../up", ":2e::2e::2f:up"),
        (".", ":2e:"),
        ("", "::"),
    ],
)
def test_name_is_encoded(name, encoded):
    assert encode_name(name) == encoded
    assert decode_name(encoded) == name


@given(st.text(max_size=60))
def test_mlflow_accepts_every_encoded_name_and_none_is_lost(name):
    encoded = encode_name(name)
    for validate in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        validate(encoded)
    if len(encoded) < NAME_CHARACTERS:
        assert decode_name(encoded) == name


def test_long_names_stay_different():
    first, second = (encode_name("x" * 300 + end) for end in "ab")
    assert len(first) == len(second) == NAME_CHARACTERS
    assert first != second


def test_settings_are_flattened():
    settings = {"model": {"name": "cnn", "blocks": [8, "pool"]}, "class_weights": {"R&B": 2.0}, "tta": None}
    assert dict(flatten(settings)) == {
        "model.name": "cnn", "model.blocks": "[8, 'pool']", "class_weights.R&B": "2.0", "tta": "None",
    }  # fmt: skip


def test_long_values_are_shown_shortened_and_named():
    settings = {"model": {"blocks": "8" * 6001, "name": "c" * 6000}}
    assert find_long_values(settings) == {"model.blocks": 6001}
    assert shorten("c" * 6000) == "c" * 6000
    assert shorten("8" * 6001) == "8" * 5997 + "..."


def test_texts_are_quoted_by_the_quotes_that_they_lack():
    assert (quote_text("pets"), quote_text("it's"), quote_text('"x"')) == ("'pets'", '"it\'s"', "'\"x\"'")
