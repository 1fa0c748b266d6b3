"""What raw image rows look like, from `ingest` to `normalize`."""

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
