import logging

import pytest

from headrace.contracts import Assumption, Spec
from headrace.data.sources.assumptions import assume_inputs, assume_source, to_json, warn_of_assumptions

DOUBT = Assumption(
    stage="ingest", subject="column 'x'", text="numbers", setting="ingest.table.decimal: ','", is_warning=True
)


def spec(modality: str) -> Spec:
    return Spec(modality=modality, task="classification", source="x", format="x", num_rows=1)


def test_only_doubtful_assumptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_assumptions([DOUBT, DOUBT.model_copy(update={"is_warning": False})])
    assert caplog.messages == ["column 'x': numbers; to change it: ingest.table.decimal: ','"]


def test_json_has_every_field() -> None:
    assert to_json([DOUBT]) == {"assumptions": [DOUBT.model_dump()]}


def test_size_of_images_is_reported() -> None:
    (assumption,) = assume_inputs(spec("image"), {"input_shape": [28, 32, 3]}, "auto")
    assert assumption.text == "images are stored as 28 x 32 pixels with 3 channels"


def test_automatic_size_and_range_of_images_are_warnings() -> None:
    automatic = {"num_sizes": 7, "median_size": [375, 500], "num_deep": 3}
    transform = {"input_shape": [112, 152, 1], "image_range": [0.0, 4095.0], "automatic": automatic}
    size, values = assume_inputs(spec("image"), transform, "auto")
    assert size.text.endswith("channels, since train images have 7 sizes, of which 375 x 500 is the median")
    assert values.text == "3 train images have more than 8 bits: 0 becomes 0, 4095 becomes 255"
    assert values.setting == "normalize.image_range: [0, 4095]"
    assert size.is_warning
    assert values.is_warning


@pytest.mark.parametrize(("share", "is_warning"), [(0.1, True), (0.09, False)])
def test_cut_texts_are_reported_with_a_warning_from_a_tenth_on(share: float, is_warning: bool) -> None:
    transform = {"max_tokens": 64, "cut_share": share}
    chosen, cut = assume_inputs(spec("text"), transform, "auto")
    assert chosen.text == "64 tokens are enough for most train texts"
    assert (cut.is_warning, cut.setting) == (is_warning, "normalize.text.max_tokens: 128")
    assert cut.text.startswith(f"{share:.0%} of the train texts are longer than 64 tokens")
    assert assume_inputs(spec("text"), transform | {"cut_share": 0.0}, 64) == []


def test_columns_that_are_not_learned_from_are_reported() -> None:
    (assumption,) = assume_inputs(
        spec("table"), {"columns": [], "left_out": [{"name": "x", "reason": "no train row has a value"}]}, 8
    )
    assert (assumption.subject, assumption.text) == ("column 'x'", "not learned from: no train row has a value")


def test_texts_of_a_table_are_reported_by_column() -> None:
    column = {"name": "body", "kind": "text", "max_tokens": 64, "cut_share": 0.2}
    transform = {"columns": [{"name": "n", "kind": "numeric"}, column], "left_out": []}
    chosen, cut = assume_inputs(spec("table"), transform, "auto")
    assert chosen.text == "64 tokens are enough for most train texts in column 'body'"
    assert cut.text.startswith("20% of the train texts in column 'body' are longer than 64 tokens")
    assert cut.is_warning


@pytest.mark.parametrize("source", ["http://localhost:8000/a.zip", "https://10.0.0.7/a.csv", "http://nas/a.csv"])
def test_a_source_of_this_network_is_reported(source: str) -> None:
    (assumption,) = assume_source(source)
    assert "is on this machine or its network" in assumption.text
    assert assumption.setting == "ingest.allow_private_addresses: true"


@pytest.mark.parametrize("source", ["https://example.org/a.zip", "photos", "localhost", "s3://localhost/a"])
def test_other_sources_are_not(source: str) -> None:
    assert assume_source(source) == []
