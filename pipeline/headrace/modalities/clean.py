"""Which checks the content of rows goes through. EXAMINERS: modality -> a look at a batch."""

from __future__ import annotations

from headrace.contracts import Examiner
from headrace.modalities.image.clean import ImageExaminer
from headrace.modalities.table.clean import TableExaminer
from headrace.modalities.text.clean import TextExaminer

EXAMINERS: dict[str, Examiner] = {"image": ImageExaminer(), "text": TextExaminer(), "table": TableExaminer()}
