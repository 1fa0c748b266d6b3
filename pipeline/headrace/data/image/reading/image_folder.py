"""A folder of images by class, with or without train, val and test folders above the classes."""

from __future__ import annotations

import logging
from pathlib import Path

from headrace.contracts import OpenedSource
from headrace.data.image.reading.rows import open_image_source, to_record_batches
from headrace.data.sources.class_folders import (
    assume_splits,
    assume_wrapper,
    check_classes,
    check_lost_classes,
    find_files,
    format_extensions,
    get_extension,
    label_files,
    read_file,
)
from headrace.data.sources.image_formats import EXTENSIONS, HEIC_REMEDY, lacks_heic
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError

log = logging.getLogger(__name__)


def read_folder(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads the images of a folder with one folder per class; the images' bytes stay as they are."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    paths, others = find_files(path, EXTENSIONS, noun="image", where=where)
    if lacks_heic(map(get_extension, paths)):
        raise DataError(f"{where}: contains photos in HEIC; {HEIC_REMEDY}")
    files = label_files(paths, where)  # a file outside the class folders has no label: `clean` puts it in quarantine
    check_lost_classes(files, others, EXTENSIONS, noun="image", where=where)
    if others:
        extensions = format_extensions(others)
        log.warning("%s: left out %d files that are not images (%s)", options.source, len(others), extensions)
    check_classes(files, noun="image", where=where)
    rows = ({**file.row(), "image": read_file(path, file)} for file in files)
    opened = open_image_source("folder", to_record_batches(rows), options)
    remarks = [*assume_wrapper(paths), *assume_splits(files)]
    return opened._replace(spec=opened.spec.model_copy(update={"assumptions": remarks}))
