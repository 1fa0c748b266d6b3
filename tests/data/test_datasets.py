"""Built-in datasets: packaged ones have the stated size, published ones are fetched, verified and read."""

import gzip
import hashlib
import io
import os
import re
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.datasets import BUILT_INS
from headrace.data.image.reading.cifar import read_cifar
from headrace.data.image.reading.idx import read_idx
from headrace.data.readers import PACKAGED_READERS, read_tabular
from headrace.data.sources.fetch import fetch
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError
from tests import published
from tests.image_server import serve_images


@pytest.fixture
def site():
    with serve_images() as server:
        yield server


def served(name, contents, site):
    """A built-in dataset with its files (name -> content) on the local server."""
    files = tuple(
        (site.put(f"/{file}", content), f"sha256:{hashlib.sha256(content).hexdigest()}")
        for file, content in contents.items()
    )
    return replace(BUILT_INS[name], files=files)


def table_of(read, path):
    opened = read(path, ReadOptions(source="x"))
    return pa.Table.from_batches(opened.batches, opened.schema)


def test_built_in_is_packaged_or_has_files_and_a_reader():
    for name, built_in in BUILT_INS.items():
        assert bool(built_in.files) == bool(built_in.reader) == (name not in PACKAGED_READERS), name
        assert built_in.description
        assert ReadOptions.model_validate({"source": name, **built_in.options}).source == name
        for url, checksum in built_in.files:
            assert re.fullmatch(r"https?://\S+", url)
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", checksum)


@pytest.mark.parametrize(
    ("name", "num_rows"),
    [("mnist5k", 5000), ("digits", 1797), ("wine", 178), ("breast-cancer", 569), ("diabetes", 442)],
)
def test_packaged_dataset_needs_no_path(name, num_rows):
    built_in = BUILT_INS[name]
    opened = PACKAGED_READERS[name](Path("/nowhere"), ReadOptions(source=name))
    table = pa.Table.from_batches(opened.batches, opened.schema)
    assert table.num_rows == num_rows
    assert (opened.spec.format, opened.spec.source) == (name, name)
    assert (opened.spec.modality, opened.spec.task) == (built_in.modality, built_in.task)
    assert built_in.description.startswith(f"{num_rows:,} ")
    assert len(set(table["row_id"].to_pylist())) == num_rows
    assert table["label"].null_count == 0


def test_adult_names_every_column():
    names = BUILT_INS["adult"].options["table"]["names"]
    assert len(names) == len(set(names)) == 15
    assert names[-1] == BUILT_INS["adult"].options["target"]


def idx(values):
    return gzip.compress(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_dataset_is_fetched_and_read(tmp_path, site, name):
    contents = {}
    for url, _ in BUILT_INS[name].files:
        shape = (12, 28, 28) if "images" in url else (12,)
        contents[url.rpartition("/")[2]] = idx(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
    folder = tmp_path / "set"
    for url, checksum in served(name, contents, site).files:
        fetch(url, tmp_path, folder, checksum=checksum, into=folder)
    table = table_of(read_idx, folder)
    assert table["split"].value_counts().to_pylist() == [
        {"values": "test", "counts": 12}, {"values": "train", "counts": 12},
    ]  # fmt: skip
    assert BUILT_INS[name].reader == "idx"


def pack_tar(folder):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, folder.name)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "write", "top"),
    [
        ("cifar10", published.write_cifar10_python, "cifar-10-batches-py"),
        ("cifar100", published.write_cifar100_python, "cifar-100-python"),
    ],
)
def test_cifar_is_fetched_unpacked_and_read(tmp_path, site, name, write, top):
    content = pack_tar(write(tmp_path / "source" / top))
    ((url, checksum),) = served(name, {"archive.tar.gz": content}, site).files
    path = fetch(url, tmp_path, tmp_path / "cache", checksum=checksum)
    assert set(table_of(read_cifar, path)["split"].to_pylist()) == {"train", "test"}
    assert BUILT_INS[name].reader == "cifar"


def read_table(name, path):
    options = ReadOptions.model_validate({"source": name, **BUILT_INS[name].options})
    opened = read_tabular(path, options)
    return opened.spec, pa.Table.from_batches(opened.batches, opened.schema)


def test_sms_spam_is_fetched_unpacked_and_read_as_text(tmp_path, site):
    lines = ['ham\tGo until "jurong point, crazy..', "spam\tFree entry in 2 a wkly comp", "ham\tU dun say so early"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("SMSSpamCollection", "".join(f"{line}\n" for line in lines))
        archive.writestr("readme", "SMS Spam Collection v.1\n")
    built_in = served("sms-spam", {"sms+spam+collection.zip": buffer.getvalue()}, site)
    ((url, checksum),) = built_in.files
    path = fetch(url, tmp_path, tmp_path / "cache", checksum=checksum) / built_in.member
    spec, table = read_table("sms-spam", path)
    assert (spec.modality, spec.task, spec.target, spec.columns) == ("text", "classification", "label", [])
    assert table["text"].to_pylist() == [line.split("\t")[1] for line in lines]
    assert table["label"].to_pylist() == ["ham", "spam", "ham"]


def adult_row(number, end=""):
    cells = [20 + number % 50, "?" if number % 7 == 0 else "Private", 1000 + number, "Bachelors", 13, "Never-married"]
    cells += ["Sales", "Husband", "White", "Male", number % 3, 0, 40, "Cuba", (">50K" if number % 4 else "<=50K") + end]
    return ", ".join(map(str, cells)) + "\n"


def test_adult_is_fetched_and_read_with_its_official_split(tmp_path, site):
    contents = {
        "adult.data": "".join(map(adult_row, range(60))) + "\n",
        "adult.test": "|1x3 Cross validator\n" + "".join(adult_row(number, ".") for number in range(20)),
    }
    folder = tmp_path / "adult"
    for url, checksum in served("adult", {name: text.encode() for name, text in contents.items()}, site).files:
        fetch(url, tmp_path, folder, checksum=checksum, into=folder)
    spec, table = read_table("adult", folder)
    assert (spec.modality, spec.task, spec.target, len(spec.columns)) == ("table", "classification", "income", 14)
    assert table["split"].to_pylist() == ["train"] * 60 + ["test"] * 20
    assert set(table["label"].to_pylist()) == {"<=50K", ">50K"}
    assert table["workclass"].null_count == 12


@pytest.mark.slow
@pytest.mark.skipif("HEADRACE_BENCH_DATA" not in os.environ, reason="HEADRACE_BENCH_DATA is not set: no real files")
def test_checksums_match_real_copies():
    root = Path(os.environ["HEADRACE_BENCH_DATA"])
    for url, checksum in BUILT_INS["adult"].files:
        content = (root / "tabular" / "adult" / url.rpartition("/")[2]).read_bytes()
        assert checksum == f"md5:{hashlib.md5(content).hexdigest()}"


def test_fetch_with_another_checksum_is_refused(tmp_path, site):
    ((url, _),) = served("cifar10", {"cifar.tar.gz": b"something else"}, site).files
    with pytest.raises(DataError, match="checksum"):
        fetch(url, tmp_path, tmp_path / "cache", checksum=BUILT_INS["cifar10"].files[0][1])
