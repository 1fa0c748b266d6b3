"""How rows become arrays. TRANSFORMS: modality -> fit on train rows, apply to all."""

from pipeline.contracts import Transform
from pipeline.modalities.image.transform import ImageTransform
from pipeline.modalities.table.transform import TableTransform
from pipeline.modalities.text.transform import TextTransform

TRANSFORMS: dict[str, Transform] = {"image": ImageTransform(), "text": TextTransform(), "table": TableTransform()}
