"""How rows become arrays. TRANSFORMS: modality -> fit on train rows, apply to all."""

from headrace.contracts import Transform
from headrace.modalities.image.transform import ImageTransform
from headrace.modalities.table.transform import TableTransform
from headrace.modalities.text.transform import TextTransform

TRANSFORMS: dict[str, Transform] = {"image": ImageTransform(), "text": TextTransform(), "table": TableTransform()}
