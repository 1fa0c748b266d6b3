"""Which checks the content of rows goes through. EXAMINERS: modality -> a look at a batch."""

from __future__ import annotations

from headrace.contracts import RowChecker
from headrace.data.image.cleaning.checker import ImageExaminer
from headrace.data.table.cleaning.checker import TableExaminer
from headrace.data.text.checker import TextExaminer

EXAMINERS: dict[str, RowChecker] = {"image": ImageExaminer(), "text": TextExaminer(), "table": TableExaminer()}
