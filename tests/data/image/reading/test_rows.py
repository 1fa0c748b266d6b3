from hashlib import blake2b

import pytest

from headrace.data.image.reading import rows as rows_module
from headrace.data.image.reading.rows import RAW_SCHEMA, ContentIds, open_image_source, to_record_batches
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError


def image_rows(*sizes: int) -> list[dict[str, object]]:
    return [{"row_id": str(index), "image": bytes(size)} for index, size in enumerate(sizes)]


def test_batches_stay_small_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "BATCH_BYTES", 14)
    batches = list(to_record_batches(image_rows(7, 7, 7, 20, 1)))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert all(batch.schema == RAW_SCHEMA for batch in batches)


def test_batches_stay_small_in_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "BATCH_ROWS", 3)
    assert [batch.num_rows for batch in to_record_batches(image_rows(*[1] * 6))] == [3, 3]
    assert list(to_record_batches([])) == []


def test_content_ids_hash_pixels_and_label_and_number_repeats() -> None:
    ids = ContentIds()
    row_ids = [ids.next_id(b"pixels", label) for label in ("a", "b", "a", "a")]
    contents = (b"pixelsa", b"pixelsb", b"pixelsa#1", b"pixelsa#2")
    assert row_ids == [blake2b(content, digest_size=16).hexdigest() for content in contents]


@pytest.mark.parametrize(
    "options", [{"target": "a"}, {"label_separator": "|"}, {"split_column": "part"}, {"task": "regression"}]
)
def test_options_of_tables_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"^params.yaml: ingest.{next(iter(options))}: got '"):
        open_image_source("folder", iter([]), ReadOptions(**options))
