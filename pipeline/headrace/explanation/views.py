"""VIEWS: modality -> how its rows are explained and shown."""

from __future__ import annotations

from collections.abc import Callable

from headrace.contracts import Json, ModalityName
from headrace.explanation.images import ImageView
from headrace.explanation.tables import TableView
from headrace.explanation.texts import TextView
from headrace.explanation.view import View

VIEWS: dict[ModalityName, Callable[[Json], View]] = {"image": ImageView, "text": TextView, "table": TableView}
