"""Samples of WebDataset: successive members of tar files, or files of a folder, whose names begin alike.

The key of a sample ends at the first dot of the base name: `a/img_0.png` and `a/img_0.cls` are one sample, and so are
`img_0.5.txt` and `img_0.75.txt`, with members called `5.txt` and `75.txt`. Format:
https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import glob
import json
import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.archives.unpack import is_tar_name, read_tar
from headrace.data.sources.class_folders import list_files
from headrace.data.sources.row_source import to_utf8
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

log = logging.getLogger(__name__)

LABEL_EXTENSIONS = ("cls", "json", "txt")
"""Members that may hold a label, the surest first; a text is one only beside an image."""
LABEL_KEYS = ("label", "class", "cls", "target")
"""Keys of a label in JSON, if the settings name none."""
MAX_MEMBER_BYTES = 256 * 2**20
SURE_LABELS = {"cls", "json"}
"""What a folder of unpacked samples has: a text beside an image may be boxes or a caption."""
TABLES = {"csv", "jsonl", "parquet", "tsv", "xlsx"}
NUM_INSPECTED = 2000
NUM_FIRST = 20
MIN_SHARE = 0.5


class Sample(NamedTuple):
    """The members of one key."""

    key: str
    members: dict[str, bytes]
    """Lower-case extension, which begins after the first dot -> content."""
    shard: str
    """The name of the tar file; empty for files in a folder."""
    split: str | None

    @property
    def place(self) -> str:
        """Its name in the column `source`."""
        return f"{self.shard}/{self.key}" if self.shard else self.key


def is_webdataset(path: Path) -> bool:
    """Whether a path is a tar file, a glob of them, a folder of them, or a folder of samples that were unpacked."""
    if _is_tar_glob(path) or (path.is_file() and is_tar_name(path.name)):
        return True
    if not path.is_dir():
        return False
    names = list(islice(list_files(path), NUM_INSPECTED))
    num_tars = sum(map(is_tar_name, names))
    if num_tars:
        return 2 * num_tars > len(names)
    extensions = dict[str, set[str]]()
    for name in names:
        key, extension = _split_name(name)
        extensions.setdefault(key, set()).add(extension)
    if len({os.path.dirname(name) for name in names}) != 1:  # noqa: PTH120 - there may be many
        return False
    if any(each & TABLES for each in extensions.values()):  # it has the labels
        return False
    num_samples = sum(len(each) > 1 and bool(each & SURE_LABELS) for each in extensions.values())
    return num_samples >= MIN_SHARE * len(extensions) > 0


def read_samples(path: Path, content: Collection[str], where: str) -> Iterator[Sample]:
    """Yields the samples that have a member with one of the extensions `content`, shards in the order of their names.

    The others are counted in a warning. Raises DataError if there are none, or if a shard is damaged.
    """
    num_samples, others, example = 0, Counter[str](), ""
    for sample in _group(path, where):
        if not sample.members.keys().isdisjoint(content):
            num_samples += 1
            yield sample
            continue
        others.update(sample.members)
        example = example or _describe(sample)
    if not num_samples:
        raise DataError(
            f"{where}: no sample has a member of {sorted(content)}; {example or 'it is empty'}; pack it again"
        )
    if others:
        log.warning("%s: left out samples without a member of %s; %s", where, sorted(content), example)


def list_sample_files(path: Path) -> list[Path]:
    """The tar files, or the files of a folder that holds samples."""
    if path.is_dir():
        return [path / name for name in list_files(path)]
    return [shard for shard, _ in _list_shards(path, str(path))]


def has_members(path: Path, extensions: Collection[str], where: str) -> bool:
    """Whether one of the first samples has a member with one of the extensions; raises what `read_samples` does."""
    return any(not sample.members.keys().isdisjoint(extensions) for sample in islice(_group(path, where), NUM_FIRST))


def find_label(sample: Sample, target: str | None, *, is_image: bool) -> str | None:
    """The label of a sample; None if it has none. `target`: the key in its JSON; raises DataError for other JSON."""
    members = sample.members
    if "cls" in members and target is None:
        return members["cls"].decode("utf-8", "replace").strip() or None
    if "json" in members:
        return _read_json_label(sample, target)
    if "txt" in members and is_image:
        return members["txt"].decode("utf-8", "replace").strip() or None
    return None


def _read_json_label(sample: Sample, target: str | None) -> str | None:
    try:
        content = json.loads(sample.members["json"])
        keys = list(content.keys())
    except (ValueError, RecursionError, AttributeError):
        raise DataError(f"{sample.place}.json: is no JSON object; pack the sample again") from None
    key = next((key for key in ([target] if target else LABEL_KEYS) if key in keys), None)
    if key is None:
        raise DataError(
            f"{sample.place}.json: has no key {target or list(LABEL_KEYS)!r}, but {keys[:10]}; set ingest.target to the"
            " key of the label, which is null where it is unknown"
        )
    value = content[key]
    if value is None or isinstance(value, str):
        return value.strip() or None if value else None
    if isinstance(value, list | dict):
        raise DataError(f"{sample.place}.json: its label is no text or number; set ingest.target to the key of one")
    return json.dumps(value).removesuffix(".0")


def _group(path: Path, where: str) -> Iterator[Sample]:
    for shard, split in _list_shards(path, where):
        for key, members in groupby(read_tar(shard, MAX_MEMBER_BYTES), lambda member: _split_name(member[0])[0]):
            contents = {_split_name(name)[1]: data for name, data in members}
            yield Sample(to_utf8(key), contents, shard.name, split)
    if path.is_dir() and not any(is_tar_name(name) for name in islice(list_files(path), NUM_INSPECTED)):
        names = sorted(list_files(path), key=_split_name)
        for key, group in groupby(names, lambda name: _split_name(name)[0]):
            contents = {_split_name(name)[1]: _read(path / name) for name in group}
            yield Sample(to_utf8(key), contents, "", None)


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_MEMBER_BYTES:
        raise DataError(f"{path}: is larger than {MAX_MEMBER_BYTES:,} bytes; remove it")
    return path.read_bytes()


def _list_shards(path: Path, where: str) -> list[tuple[Path, str | None]]:
    """The tar files with their official splits, if the names have them; train first."""
    if path.is_dir():
        shards = [path / name for name in list_files(path) if is_tar_name(name)]
    else:
        shards = [path] if path.is_file() else [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        if not shards:
            raise DataError(f"{where}: no such file, and no file matches it as a glob; correct the path")
    splits = {shard: _find_split(shard, path) for shard in shards}
    if "train" not in splits.values() or len(set(splits.values())) == 1:
        splits = dict.fromkeys(shards)
    elif None in splits.values():
        others = [shard.name for shard, split in splits.items() if split is None]
        raise DataError(
            f"{where}: some shards belong to an official split, but {others[:5]} do not; either every name contains a"
            f" split ({', '.join(SPLIT_ALIASES)}) or none does; give a glob that excludes the others"
        )
    order = ("train", "val", "test", None)
    return sorted(splits.items(), key=lambda item: (order.index(item[1]), str(item[0])))


def _find_split(shard: Path, path: Path) -> str | None:
    folders = shard.relative_to(path).parts[:-1] if path.is_dir() else ()
    words = "".join(letter if letter.isalpha() else " " for letter in shard.name.lower()).split()
    return next((SPLIT_ALIASES[word] for word in chain(map(str.lower, folders), words) if word in SPLIT_ALIASES), None)


def _is_tar_glob(path: Path) -> bool:
    return any(mark in path.name for mark in "*?[") and not path.exists() and is_tar_name(path.name)


def _split_name(name: str) -> tuple[str, str]:
    """The key of a member and its extension: `a/b.seg.png` -> `a/b`, `seg.png`."""
    folder, slash, base = name.rpartition("/")
    key, _, extension = base.partition(".")
    return f"{folder}{slash}{key}", extension.lower()


def _describe(sample: Sample) -> str:
    """Names the members of a sample; a key that was cut at a dot that was not meant to end it is the usual reason."""
    listed = [f"{sample.key}.{extension}" for extension in sample.members][:3]
    hint = (
        ""
        if not any("." in extension for extension in sample.members)
        else (" (the key of a sample ends at the first dot of its name; use other names)")
    )
    return f"such as {sample.place} with {listed}{hint}"
