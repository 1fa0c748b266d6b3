"""VIEWS: modality -> how its rows are explained and shown."""

from __future__ import annotations

from collections.abc import Callable

from headrace.contracts import Json, ModalityName
from headrace.explanation.views.base import View
from headrace.explanation.views.image import ImageView
from headrace.explanation.views.table import TableView
from headrace.explanation.views.text import TextView
from headrace.explanation.views.text_table import TextTableView


def _make_table_view(transform: Json) -> View:
    has_texts = any(column["kind"] == "text" for column in transform["columns"])
    return TextTableView(transform) if has_texts else TableView(transform)


VIEWS: dict[ModalityName, Callable[[Json], View]] = {"image": ImageView, "text": TextView, "table": _make_table_view}
