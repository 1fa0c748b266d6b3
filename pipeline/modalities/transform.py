"""How rows become arrays. TRANSFORMS: modality -> fit on train rows, apply to all."""

from pipeline.contracts import Transform
from pipeline.modalities.image.transform import ImageTransform

TRANSFORMS: dict[str, Transform] = {"image": ImageTransform()}
