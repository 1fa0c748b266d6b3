import pyarrow as pa
import pytest

from headrace.data.sources.image_formats import EXTENSIONS
from headrace.data.table.reading.column_types import infer_column_kind, is_mostly_distinct


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.5", "1e3", None], "numeric"),
        (["1"] * 95 + ["x"] * 5, "numeric"),
        (["1"] * 94 + ["x"] * 6, "categorical"),
        (["1"] * 9 + ["inf"], "categorical"),  # infinite values are not usable numbers
        (["2024-02-29", "2023-01-01 10:30:00"], "date"),
        (["31/12/2024", "01/02/2024"], "date"),
        (["12/31/2024", "01/02/2024"], "date"),
        (["31/12/2024", "12/31/2024"], "categorical"),  # neither order fits all
        (["10-12-14", "x"], "categorical"),
        (["1/25/2024 3:04 PM", "1/5/2024 12:00 AM"], "date"),
        (["5-Jan-2024", "January 6, 2024"], "date"),
        (["15:04", "3:04 PM", "07:30:00"], "time"),
        (["25:30", "15:04"], "categorical"),
        (["85,50", "1.234,00"], "numeric"),
        (["EUR 412", "EUR 1,300"], "numeric"),
        (["1"] * 85 + ["-"] * 15, "numeric"),
        (["123456789012345678", "123456789012345679"], "categorical"),  # no float holds them
        (["a/1.png", "b c.JPG"], "image"),
        (["https://example.org/1.jpeg?w=3", "http://example.org/2.png"], "image"),
        (["see https://example.org"], "categorical"),
        (["red", "green", "red"], "categorical"),
        (["the film was not good", "I liked all of it"] * 3, "categorical"),  # phrases that repeat
        ([f"this is sentence number {number} of many" for number in range(9)], "text"),
        (["Braund, Mr. Owen Harris", "Heikkinen, Miss. Laina", "Allen, Mr. William Henry"], "categorical"),
        (["\u6620\u753b\u306f\u3068\u3066\u3082\u826f\u304b\u3063\u305f", "\u96e8\u304c" * 6], "text"),  # no blanks
        ([None, None], "categorical"),
        ([], "categorical"),
    ],
)  # fmt: skip
def test_infer_column_kind(cells, kind):
    assert infer_column_kind(pa.array(cells, pa.string())) == kind


def test_infer_column_kind_knows_every_decodable_image_format():
    assert {infer_column_kind(pa.array([f"x{extension}"])) for extension in EXTENSIONS} == {"image"}
    assert infer_column_kind(pa.array(["x.svg"])) == "categorical"


def test_is_mostly_distinct_requires_many_different_values():
    names = [f"name {number}" for number in range(60)]
    assert is_mostly_distinct(pa.array(names))
    assert not is_mostly_distinct(pa.array(names[:50]))
    assert not is_mostly_distinct(pa.array(names * 3))
