import pytest

from headrace.data.table.cleaning.row_html import render_row


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", '"><img src=x>', "&"])
def test_render_row_escapes_names_and_values(value: str) -> None:
    html = render_row({"row_id": "0", "label": value, value: None})
    assert "<script" not in html
    assert "<img" not in html
    assert html.startswith("<table><tr><th>label</th>")
    assert "<i>missing</i>" in html
    assert "row_id" not in html


def test_render_row_limits_columns_and_characters() -> None:
    html = render_row({f"column{index}": "x" * 500 for index in range(100)})
    assert html.count("<tr>") == 13
    assert "and 88 more" in html
    assert len(html) < 3000
