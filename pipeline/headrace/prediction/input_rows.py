"""Opens what is to be predicted: files, folders, tables, archives and URLs, by the product's own readers, in chunks.

No labels are needed. A chunk is small, can be sent to another process, and reads its files there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.data.image.reading.cifar import is_cifar_folder, read_cifar
from headrace.data.image.reading.idx import is_idx_file, read_idx_images
from headrace.data.image.reading.image_loader import LOAD_LIMITS, read_limits
from headrace.data.image.reading.named_images import ImageNames, resolve_names
from headrace.data.image.reading.npz_images import has_npz_images, read_npz_images
from headrace.data.image.reading.webdataset_images import read_sample_images
from headrace.data.sources.assumptions import warn_of_assumptions
from headrace.data.sources.class_folders import get_extension, list_files
from headrace.data.sources.image_formats import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.data.sources.npz import list_npz_files
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import format_index, format_sources, relative_name, to_utf8
from headrace.data.sources.webdataset import is_webdataset, list_sample_files
from headrace.data.table.reading.delimited.reader import open_delimited
from headrace.data.table.reading.files import TableFile, find_common_dir, find_table_files, is_table_file
from headrace.data.table.reading.reader import OPENERS, open_table_file
from headrace.data.table.reading.table_file import FileRows, OpenTableFile
from headrace.data.table.reading.text_stream import read_text_blocks
from headrace.data.text.reader import EXTENSIONS as TEXT_EXTENSIONS
from headrace.data.text.webdataset_texts import read_sample_texts
from headrace.errors import DataError, choices
from headrace.prediction.input_chunks import Cells, Chunk, ImageFiles, Payload, Pixels, TextFiles

FILES_PER_CHUNK = 512
SAMPLES_PER_CHUNK = 64
NO_DELIMITER = "\x1f"
"""A character that texts do not contain."""


class InputRows(NamedTuple):
    """An opened input."""

    files: list[Path]
    """What it consists of: a change of one of them makes another input of it."""
    chunks: Iterator[Chunk]
    num_rows: int | None = None
    """None if it is known only after reading."""


class TableImages(NamedTuple):
    """The images that a table names."""

    base: Path
    """The folder that their paths start from."""
    find: Callable[[], ImageNames]
    """Lists those below it, for names that are no paths."""


class InputOptions(NamedTuple):
    """How an input is read."""

    modality: str
    columns: list[str]
    """The input's columns that the model needs: of a table, or the one with the text or the place of the image."""
    names: list[str]
    """Their names in the rows that the model takes."""
    read: ReadOptions
    copied: Sequence[str] = ()
    """Columns that are copied to the output."""


def open_input(path: Path, options: InputOptions) -> InputRows:
    """Opens a local path as rows of the model's modality; raises DataError if there are none."""
    opened = {"image": _open_images, "text": _open_texts, "table": lambda *_: None}[options.modality](path, options)
    if opened is None:
        return _open_tables(path, options)
    if options.copied:
        raise DataError(f"--copy {options.copied[0]}: {path} is no table; leave the option out")
    return opened


def _open_images(path: Path, options: InputOptions) -> InputRows | None:
    idx_paths = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    idx_paths = [each for each in idx_paths if is_idx_file(each)]
    if idx_paths:
        return InputRows(idx_paths, _number(_read_idx(idx_paths)))
    if path.is_dir() and is_cifar_folder(path):
        batches = read_cifar(path, options.read).batches
        rows = (Chunk(0, batch.column("source"), Cells(batch.select(["image"]))) for batch in batches)
        return InputRows([path / name for name in list_files(path)], _number(rows))
    if has_npz_images(path, f"input {options.read.source!r}"):
        return InputRows(list_npz_files(path), _number(_read_npz(path, options)))
    if is_webdataset(path):
        return InputRows(list_sample_files(path), _number(_read_samples(path, options)))
    limits = LOAD_LIMITS._replace(allow_outside=True)  # links in a folder that a person gave
    return _open_files(path, IMAGE_EXTENSIONS, lambda base, names: ImageFiles(base, names, limits))


def _open_texts(path: Path, options: InputOptions) -> InputRows | None:
    if is_webdataset(path):
        return InputRows(list_sample_files(path), _number(_read_samples(path, options)))
    if path.is_file():
        return None
    (column,), encoding = options.names, options.read.table.encoding
    return _open_files(path, TEXT_EXTENSIONS, lambda base, names: TextFiles(base, names, column, encoding))


def _open_files(path: Path, extensions: Sequence[str], make: Callable[[Path, list[str]], Payload]) -> InputRows | None:
    """One row for each file with one of the extensions; None if there is none."""
    base = path if path.is_dir() else path.parent
    names = list_files(path) if path.is_dir() else [path.name] if path.is_file() else []
    names = sorted(name for name in names if get_extension(name) in extensions)
    if not names:
        return None
    starts = range(0, len(names), FILES_PER_CHUNK)
    slices = (names[start : start + FILES_PER_CHUNK] for start in starts)
    chunks = (Chunk(0, pa.array([to_utf8(name) for name in part], pa.string()), make(base, part)) for part in slices)
    return InputRows([base / name for name in names], _number(chunks), len(names))


def _open_tables(path: Path, options: InputOptions) -> InputRows:
    where = options.read.source
    if path.is_file() and not is_table_file(path):
        raise DataError(f"{where}: {path.name} is of an unknown kind; give a table, or a folder of files")
    files = find_table_files(path, where)
    paths = [file.path for file in files]
    return InputRows(paths, _number(_read_tables(files, find_common_dir(paths), options)))


def _read_tables(files: list[TableFile], base: Path, options: InputOptions) -> Iterator[Chunk]:
    for file in files:
        name = relative_name(file.path, base)
        if file.format == "parquet" and options.modality == "image" and _has_image_bytes(file.path, options):
            yield from _read_image_bytes(file.path, name, options)
            continue
        opened = _open_table(file, options)
        warn_of_assumptions(opened.assumptions)
        columns = _find_columns(opened, file.path, options)
        images = TableImages(base, cache(partial(ImageNames, base, file.path.name)))
        for rows in opened.batches:
            sources = format_sources(name, rows.numbers, opened.numbering)
            copied = rows.cells.select(list(options.copied)) if options.copied else None
            yield Chunk(0, sources, _make_payload(rows, columns, images, options), copied)


def _open_table(file: TableFile, options: InputOptions) -> OpenTableFile:
    """Opens a table; text whose first line is the name of the only needed column has no other columns.

    Without this, the format of such a file would be guessed from the blanks and commas of its texts.
    """
    if options.modality != "table" and OPENERS[file.format] is open_delimited:
        first_block = next(read_text_blocks(file.path, options.read.table.encoding), "")
        if first_block.partition("\n")[0].strip().strip('"') == options.columns[0]:
            table = options.read.table.model_copy(update={"delimiter": NO_DELIMITER, "header": True})
            return open_delimited(file.path, options.read.model_copy(update={"table": table}), options.columns)
    return open_table_file(file, options.read, None)


def _make_payload(rows: FileRows, columns: list[str], images: TableImages, options: InputOptions) -> Payload:
    if options.modality == "image":
        if rows.images is not None:
            return Cells(pa.record_batch([rows.images.field("bytes")], options.names))
        names = pc.utf8_trim_whitespace(rows.cells.column(columns[0])).to_pylist()
        links, limits = resolve_names(names, images.base, images.find), read_limits(options.read, images.base)
        return ImageFiles(images.base, links, limits)
    return Cells(rows.cells.select(columns).rename_columns(options.names))


def _find_columns(opened: OpenTableFile, path: Path, options: InputOptions) -> list[str]:
    """The file's columns that the model needs; a file of one column, or with images in it, need not name it."""
    names = opened.names
    for name in options.copied:
        if name not in names:
            raise DataError(f"--copy {name}: {path} has no such column; {choices(name, names)}")
    if options.modality == "image" and opened.image_column is not None:
        return [opened.image_column]
    if options.modality != "table" and len(names) == 1:
        return names
    for name in options.columns:
        if name not in names:
            raise DataError(
                f"{path}: has no column {name!r}, which the model needs; {choices(name, names)}; correct its header"
                + ("" if options.modality == "table" else ", or name the column: --column NAME")
            )
    return options.columns


def _has_image_bytes(path: Path, options: InputOptions) -> bool:
    schema = pq.read_schema(path)
    column = options.columns[0]
    return column in schema.names and pa.types.is_binary(schema.field(column).type)


def _read_image_bytes(path: Path, name: str, options: InputOptions) -> Iterator[Chunk]:
    """Rows of a Parquet file whose column of images has their bytes."""
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(FILES_PER_CHUNK, columns=[options.columns[0], *options.copied]):
            sources = pa.array([format_index(name, start + index) for index in range(batch.num_rows)])
            images = Cells(batch.select([options.columns[0]]).rename_columns(options.names))
            yield Chunk(0, sources, images, batch.select(list(options.copied)) if options.copied else None)
            start += batch.num_rows


def _read_idx(paths: list[Path]) -> Iterator[Chunk]:
    for path in paths:
        start = 0
        for pixels in read_idx_images(path):
            sources = pa.array([format_index(path.name, start + index) for index in range(len(pixels))])
            yield Chunk(0, sources, Pixels(pixels[..., None]))
            start += len(pixels)


def _read_npz(path: Path, options: InputOptions) -> Iterator[Chunk]:
    starts = dict[str, int]()
    for array, pixels in read_npz_images(path, f"input {options.read.source!r}"):
        start = starts.get(array.place, 0)
        sources = pa.array([format_index(array.place, start + index) for index in range(len(pixels))])
        yield Chunk(0, sources, Pixels(pixels))
        starts[array.place] = start + len(pixels)


def _read_samples(path: Path, options: InputOptions) -> Iterator[Chunk]:
    """Samples of WebDataset, by the chunk."""
    where, (name,) = f"input {options.read.source!r}", options.names
    is_image = options.modality == "image"
    rows = iter(
        read_sample_images(path, where) if is_image else read_sample_texts(path, where, options.read.table.encoding)
    )
    while part := list(islice(rows, SAMPLES_PER_CHUNK)):
        sources, contents = (pa.array(list(column)) for column in zip(*part, strict=True))
        yield Chunk(0, sources, Cells(pa.record_batch([contents], [name])))


def _number(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Sets the first row of each chunk."""
    first_row = 0
    for chunk in chunks:
        if len(chunk):
            yield Chunk(first_row, chunk.sources, chunk.payload, chunk.copied)
        first_row += len(chunk)
