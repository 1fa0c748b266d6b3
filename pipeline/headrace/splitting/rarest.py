"""Rows of several labels are spread over the splits by their rarest one, of which there are the fewest to spread."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from headrace.storage.label_codec import read_names

if TYPE_CHECKING:
    import pyarrow as pa

NONE = "(no label)"


def rarest(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of names as text -> the name that fewest rows have, NONE for an empty list; equals by the alphabet.

    As iterative stratification does (Sechidis et al. 2011, On the Stratification of Multi-Label Data, section 3.1),
    which deals out the rows of the rarest label first; but by hash, so that rows added later move no old ones.
    """
    import pyarrow as pa

    of_rows = [read_names(label) for label in labels.to_pylist()]
    counts = Counter(name for names in of_rows for name in names)
    found = [min(names, key=lambda name: (counts[name], name)) if names else NONE for names in of_rows]
    return pa.chunked_array([pa.array(found, pa.string())])
