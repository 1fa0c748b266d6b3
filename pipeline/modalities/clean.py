"""Which checks the content of rows goes through. EXAMINERS: modality -> a look at a batch."""

from __future__ import annotations

from pipeline.contracts import Examiner
from pipeline.modalities.image.clean import ImageExaminer
from pipeline.modalities.table.clean import TableExaminer
from pipeline.modalities.text.clean import TextExaminer

EXAMINERS: dict[str, Examiner] = {"image": ImageExaminer(), "text": TextExaminer(), "table": TableExaminer()}
