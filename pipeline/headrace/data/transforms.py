"""How rows become arrays. TRANSFORMS: modality -> fit on train rows, apply to all."""

from headrace.contracts import Transform
from headrace.data.image.transform import ImageTransform
from headrace.data.table.encoding.transform import TableTransform
from headrace.data.text.transform import TextTransform

TRANSFORMS: dict[str, Transform] = {"image": ImageTransform(), "text": TextTransform(), "table": TableTransform()}
