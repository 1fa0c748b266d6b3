import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.text.webdataset_texts import read_sample_texts, read_webdataset_texts
from headrace.errors import ConfigError


def test_texts_with_their_labels(tmp_path):
    for name, content in {"0.txt": "fine\r\nfilm", "0.cls": "pos", "1.txt": "caf\u00e9", "1.cls": "neg"}.items():
        (tmp_path / name).write_bytes(content.encode())
    opened = read_webdataset_texts(tmp_path, ReadOptions(source="data"))
    (batch,) = opened.batches
    rows = batch.to_pylist()
    assert (opened.spec.modality, opened.spec.format) == ("text", "webdataset")
    assert [(row["text"], row["label"], row["path"]) for row in rows] == [
        ("fine\nfilm", "pos", "0.txt"), ("caf\u00e9", "neg", "1.txt"),
    ]  # fmt: skip
    assert list(read_sample_texts(tmp_path, "data", "auto")) == [("0", "fine\nfilm"), ("1", "caf\u00e9")]
    with pytest.raises(ConfigError, match="ingest.split_column"):
        read_webdataset_texts(tmp_path, ReadOptions(source="data", split_column="x"))
