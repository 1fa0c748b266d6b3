import io
import tarfile

import pytest

from headrace.data.sources.webdataset import (
    Sample,
    find_label,
    has_members,
    is_webdataset,
    list_sample_files,
    read_samples,
)
from headrace.errors import DataError


def write_tar(path, names, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def test_keys_end_at_the_first_dot_of_the_base_name(tmp_path):
    names = ["a.b/img_0.png", "a.b/img_0.seg.PNG", "a.b/img_0.cls", "img_0.png", "img_1.5.png", "img_1.75.png"]
    samples = list(read_samples(write_tar(tmp_path / "x.tar", names), ["png", "5.png"], "x"))
    assert [(sample.key, list(sample.members)) for sample in samples] == [
        ("a.b/img_0", ["png", "seg.png", "cls"]), ("img_0", ["png"]), ("img_1", ["5.png", "75.png"]),
    ]  # fmt: skip
    assert samples[0].place == "x.tar/a.b/img_0"
    assert samples[0].members["cls"] == b"a.b/img_0.cls"


def test_samples_without_content_are_counted_in_a_warning(tmp_path, caplog):
    write_tar(tmp_path / "x.tar", ["0.png", "1.5.png", "1.5.cls"])
    assert [sample.key for sample in read_samples(tmp_path / "x.tar", ["png"], "x")] == ["0"]
    assert (
        "left out samples without a member of ['png']; such as x.tar/1 with ['1.5.png', '1.5.cls'] (the key"
        in caplog.text
    )


@pytest.mark.parametrize(("name", "mode"), [("b.tar", "w"), ("b.tar.gz", "w:gz"), ("b.tgz", "w:gz")])
def test_shards_in_the_order_of_splits_and_names(tmp_path, name, mode):
    for shard in ("test-1", "train-2", "train-1"):
        write_tar(tmp_path / name.replace("b", shard, 1), [f"{shard}.txt"], mode)
    samples = list(read_samples(tmp_path, ["txt"], "x"))
    assert [(sample.key, sample.split) for sample in samples] == [
        ("train-1", "train"), ("train-2", "train"), ("test-1", "test"),
    ]  # fmt: skip
    assert [sample.key for sample in read_samples(tmp_path / f"train-*{name[1:]}", ["txt"], "x")] == [
        "train-1",
        "train-2",
    ]
    assert [path.name[:6] for path in list_sample_files(tmp_path / f"train-*{name[1:]}")] == ["train-", "train-"]
    write_tar(tmp_path / name, ["a.txt"], mode)
    with pytest.raises(DataError, match="some shards belong to an official split, but"):
        list(read_samples(tmp_path, ["txt"], "x"))


def test_unpacked_samples(tmp_path):
    for name in ("1.cls", "1.png", "0.png", "0.cls"):
        (tmp_path / name).write_text(name)
    samples = list(read_samples(tmp_path, ["png"], "x"))
    assert [(sample.place, sample.members) for sample in samples] == [
        (key, {"cls": f"{key}.cls".encode(), "png": f"{key}.png".encode()}) for key in "01"
    ]
    assert len(list_sample_files(tmp_path)) == 4


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0.png", "0.cls", "1.png", "1.cls"], True),
        (["0.txt", "0.json", "1.txt", "1.json"], True),
        (["0.jpg", "0.txt", "1.jpg", "1.txt"], False),
        (["0.jpg", "0.json", "1.jpg", "1.json", "labels.csv"], False),
        (["0.png", "1.png", "1.cls", "2.png"], False),
        (["cat/0.png", "dog/1.png", "dog/1.txt"], False),
        (["0.png", "labels.csv"], False),
        (["a.tar", "b.tar", "README.md"], True),
        (["cat/0.png", "cat/1.png", "x.tar"], False),
        ([], False),
    ],
)
def test_folders_are_recognized(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert is_webdataset(tmp_path) is expected


def test_globs_are_recognized(tmp_path):
    assert is_webdataset(tmp_path / "train-*.tar")
    assert not is_webdataset(tmp_path / "train-*.csv")
    with pytest.raises(DataError, match="no such file, and no file matches it as a glob"):
        has_members(tmp_path / "train-*.tar", ["png"], "x")


@pytest.mark.parametrize(
    ("members", "target", "label"),
    [
        ({"cls": b"3\n", "json": b'{"label": 4}', "txt": b"5"}, None, "3"),
        ({"cls": b"3\n", "json": b'{"label": 4}'}, "label", "4"),
        ({"json": b'{"class": "cat ", "x": 1}'}, None, "cat"),
        ({"json": b'{"stars": 4.0}'}, "stars", "4"),
        ({"json": b'{"label": null}'}, None, None),
        ({"json": b'{"label": true}'}, None, "true"),
        ({"txt": b" a cat "}, None, "a cat"),
        ({"cls": b" "}, None, None),
        ({}, None, None),
    ],
)
def test_labels(members, target, label):
    assert find_label(Sample("a", members, "x.tar", None), target, is_image=True) == label


@pytest.mark.parametrize("target", [None, "lable"])
def test_a_label_that_is_not_in_the_json_raises(target):
    sample = Sample("a", {"json": b'{"shapes": [], "size": 3}'}, "x.tar", None)
    with pytest.raises(DataError, match=r"x.tar/a.json: has no key .*, but \['shapes', 'size'\]; set ingest.target to"):
        find_label(sample, target, is_image=True)


def test_a_text_is_no_label_of_itself():
    assert find_label(Sample("a", {"txt": b"text"}, "x.tar", None), None, is_image=False) is None
