"""What raw image rows look like, and which files count as images."""

import pyarrow as pa

RAW_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),  # 32 hex characters
        pa.field("image", pa.binary(), nullable=False),  # the file's bytes as they are
        pa.field("label", pa.string()),
        pa.field("path", pa.string()),  # below the source's folder, with forward slashes
        pa.field("split", pa.string()),  # train, val or test, where the source has official splits
    ]
)

# Pillow knows more formats than are safe to open on strangers' files (EPS would start Ghostscript): these only
FORMATS_BY_EXTENSION: dict[str, str] = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
FORMATS: tuple[str, ...] = tuple(sorted(set(FORMATS_BY_EXTENSION.values())))
