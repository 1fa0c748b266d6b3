"""Row indexes as a scan would have left them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.data.cleaning.scan import RowIndex
from headrace.storage.scratch import Scratch


@pytest.fixture
def make_row_index(tmp_path: Path) -> Iterator[Callable[..., RowIndex]]:
    """Builds an index from `labels` by row (None: no label) and any columns; row ids are a, b, c and on by default.

    The rows stand in `rows.csv` from line 2 on.
    """
    opened = []

    def make(labels: list[str | None], **columns: Any) -> RowIndex:
        folder = tmp_path / f"scratch-{len(opened)}"
        folder.mkdir()
        scratch = Scratch(folder)
        opened.append(scratch)
        names = list(dict.fromkeys(label for label in labels if label is not None))
        ids = columns.pop("row_ids", [bytes([97 + row]) * 32 for row in range(len(labels))])
        scratch.append("row_ids", np.array(ids, "S32"))
        scratch.append("labels", np.array([-1 if label is None else names.index(label) for label in labels], np.int32))
        scratch.append("ranks", np.array(columns.pop("ranks", [2] * len(labels)), np.int8))
        names_of_rows = [f"rows.csv:{row + 2}".encode() for row in range(len(labels))]
        scratch.append("source_ends", np.cumsum([len(name) for name in names_of_rows], dtype=np.int64))
        scratch.append("source_bytes", np.frombuffer(b"".join(names_of_rows), np.uint8))
        is_multilabel = columns.pop("is_multilabel", False)
        for name, values in columns.items():
            scratch.append(name.replace("__", ":"), np.asarray(values))
        return RowIndex(scratch, len(labels), names, is_multilabel=is_multilabel)

    yield make
    for scratch in opened:
        scratch.close()
