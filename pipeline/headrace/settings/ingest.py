"""The section `ingest` of `params.yaml`."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from headrace.data.datasets import BUILT_INS, FORMATS
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import choices


class Config(ReadOptions):
    """The source of the rows, and how to read it."""

    format: str = "auto"
    """Reader: folder (images by class), text_folder, table, idx, cifar, or that of a built-in dataset; auto: detected.

    The name of a published dataset (adult, sms-spam, imdb ...) with a path as the source reads a copy of its files.
    """
    checksum: str | None = Field(default=None, pattern=r"^(sha256|md5):[0-9a-fA-F]+$")
    """Hash of a downloaded file, such as sha256:9f86d0...; null: only its length is checked."""
    max_files: int = Field(default=2_000_000, gt=0)
    """Maximum files in an archive."""
    max_gib: float = Field(default=200.0, gt=0)
    """Maximum GiB of an unpacked archive."""

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, wanted: str, info: ValidationInfo) -> str:
        formats = ["auto", *FORMATS, *BUILT_INS]
        if wanted not in formats:
            raise ValueError(f"{wanted!r} is not a format; {choices(wanted, formats)}")
        source = info.data.get("source", wanted)
        is_packaged = wanted in BUILT_INS and not BUILT_INS[wanted].files
        if is_packaged and source != wanted:
            raise ValueError(
                f"{wanted!r} is a built-in dataset, but ingest.source is {source!r};"
                f" set ingest.source: {wanted}, or ingest.format: auto"
            )
        return wanted
