"""Rows of a table with two columns of texts, a number and a category, as the real transform stores them."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, Json, Spec
from headrace.data.table.encoding.transform import TableTransform

NORMALIZE = {
    "scaling": "standard", "max_categories": 64, "min_category_rows": 2, "num_quantiles": 32,
    "text": {"vocabulary": 300, "max_tokens": "auto", "lowercase": True, "tokenizer": None},
}  # fmt: skip
KINDS = {"title": "text", "size": "numeric", "body": "text", "colour": "categorical"}
NUM_ROWS = 200
WORDS = ["film", "plot", "story", "the", "was", "and"]


class TextTable(NamedTuple):
    """Every seventh title is missing; a body with `great` belongs to class b."""

    spec: Spec
    clean: pa.Table
    transform: Json
    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]


class Batches:
    """Clean rows in batches, processed in this process."""

    def __init__(self, table: pa.Table, size: int = 64) -> None:
        self.batches = table.to_batches(max_chunksize=size)

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def spec_of(**kinds: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Spec(
        modality="table", task="classification", source="x", format="table", num_rows=NUM_ROWS, classes=["a", "b"],
        columns=columns,
    )  # fmt: skip


@cache
def make_text_table() -> TextTable:
    """Builds the rows once; do not change them."""
    rng, spec = np.random.default_rng(0), spec_of(**KINDS)
    targets = rng.integers(0, 2, NUM_ROWS)
    bodies = [[*rng.choice(WORDS, rng.integers(4, 12)), "great" if target else "awful"] for target in targets]
    clean = pa.table({
        "row_id": [f"{index:032x}" for index in range(NUM_ROWS)],
        "title": [None if index % 7 == 0 else " ".join(rng.choice(WORDS, 3)) for index in range(NUM_ROWS)],
        "size": rng.normal(size=NUM_ROWS),
        "body": [" ".join(rng.permutation(words)) for words in bodies],
        "colour": rng.choice(["blue", "red"], NUM_ROWS).tolist(),
    })  # fmt: skip
    transform = TableTransform().fit(Batches(clean), spec, NORMALIZE)
    inputs = TableTransform().apply(clean.combine_chunks().to_batches()[0], transform)
    return TextTable(spec, clean, transform, inputs, targets)
