from headrace.data.image.reading.webdataset_images import read_sample_images, read_webdataset_images
from headrace.data.sources.read_options import ReadOptions


def test_images_with_their_labels(tmp_path):
    for name, content in {
        "0.JPG": b"x",
        "0.json": b'{"kind": "cat"}',
        "1.png": b"y",
        "1.json": b'{"kind": "dog"}',
    }.items():
        (tmp_path / name).write_bytes(content)
    opened = read_webdataset_images(tmp_path, ReadOptions(source="data", target="kind"))
    (batch,) = opened.batches
    rows = batch.to_pylist()
    assert (opened.spec.modality, opened.spec.format) == ("image", "webdataset")
    assert [(row["image"], row["label"], row["source"]) for row in rows] == [
        (b"x", "cat", "0.jpg"),
        (b"y", "dog", "1.png"),
    ]
    assert list(read_sample_images(tmp_path, "data")) == [("0", b"x"), ("1", b"y")]
