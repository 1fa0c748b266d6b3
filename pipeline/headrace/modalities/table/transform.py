"""Clean rows of a table to float32, by what train rows tell: medians, deviations, ranks and frequent values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Json, Rows, Spec
from headrace.errors import DataError
from headrace.modalities.table.encode import encode
from headrace.modalities.table.inputs import MAKERS, says_nothing
from headrace.modalities.table.learned import learn

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class TableTransform:
    """Contracts' `Transform` of rows whose columns are numbers, categories and dates."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Learns from train rows; options: `scaling`, `max_categories`, `min_category_rows`, `num_quantiles`.

        The result is the same, to the bit, for any order of the rows and any size of a batch. Raises DataError where
        there are no rows, or no column that can be learned from.
        """
        usable = [column for column in spec.columns if column.kind in MAKERS]
        learned = learn(rows, usable, spec.num_rows)
        if not any(one.part.num_rows for one in learned.values()) and usable:
            raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
        columns, inputs, left_out = list[Json](), list[Json](), list[Json]()
        for column in spec.columns:
            reason: str | None = f"{column.kind} beside other columns is not learned from"
            if column.name in learned:
                reason = says_nothing(learned[column.name], column.kind, options)
            if reason:
                left_out.append({"name": column.name, "reason": reason})
                continue
            made = MAKERS[column.kind](column.name, learned[column.name], options)
            columns.append(made.column | ({"order": column.date_order} if column.date_order else {}))
            inputs += made.inputs
        if not inputs:
            reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in left_out[:5]) or "there is none"
            raise DataError(
                f"data/clean: no column to learn from ({reasons}); add one, or set its kind in ingest.columns"
            )
        return {"input_shape": [len(inputs)], "columns": columns, "inputs": inputs, "left_out": left_out}

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.float32]:
        """Clean rows -> `[rows, inputs]`: NaN for a missing number, ids for categories."""
        return encode(batch, transform)
