"""VIEWS: modality -> how its rows are explained and shown."""

from __future__ import annotations

from collections.abc import Callable

from headrace.contracts import Json, ModalityName
from headrace.explanation.views.base import View
from headrace.explanation.views.image import ImageView
from headrace.explanation.views.text import TextView
from headrace.explanation.views.text_table import make_table_view

VIEWS: dict[ModalityName, Callable[[Json], View]] = {"image": ImageView, "text": TextView, "table": make_table_view}
