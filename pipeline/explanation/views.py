"""VIEWS: modality -> how its rows are explained and shown."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.contracts import Json, ModalityName
from pipeline.explanation.images import ImageView
from pipeline.explanation.tables import TableView
from pipeline.explanation.texts import TextView
from pipeline.explanation.view import View

VIEWS: dict[ModalityName, Callable[[Json], View]] = {"image": ImageView, "text": TextView, "table": TableView}
