"""Registry of the transforms from clean rows to arrays."""

from headrace.contracts import Transform
from headrace.data.image.transform import ImageTransform
from headrace.data.table.encoding.transform import TableTransform
from headrace.data.text.transform import TextTransform

TRANSFORMS: dict[str, Transform] = {"image": ImageTransform(), "text": TextTransform(), "table": TableTransform()}
