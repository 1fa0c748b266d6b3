"""Ids of a table's rows: of their content, so that they stay the same wherever a row stands."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BETWEEN, MISSING = b"\x1f", b"\x00"
ID_CHARS = 32


class RowIds:
    """Gives ids to batch after batch; repeats of a row are counted, in 8 bytes a row."""

    def __init__(self) -> None:
        self._seen: list[NDArray[np.uint64]] = []
        """Sorted; each more than twice as long as the next, so that there are few."""
        self._repeats: dict[int, int] = {}

    def of(self, cells: list[pa.Array]) -> pa.Array:
        """32 hex characters a row, from all of its cells in the source's order."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        as_bytes = [column.cast(pa.binary()) for column in cells]
        joined = pc.binary_join_element_wise(
            *as_bytes, BETWEEN, null_handling="replace", null_replacement=MISSING
        ).to_pylist()
        digests = [blake2b(content, digest_size=16).digest() for content in joined]
        keys = np.frombuffer(b"".join(digests), "<u8")[::2]
        for row, occurrence in self._occurrences(keys):
            digests[row] = blake2b(joined[row] + b"#%d" % occurrence, digest_size=16).digest()
        ends = np.arange(len(digests) + 1, dtype=np.int32) * ID_CHARS
        text = b"".join(digests).hex().encode()
        return pa.StringArray.from_buffers(len(digests), pa.py_buffer(ends), pa.py_buffer(text))

    def _occurrences(self, keys: NDArray[np.uint64]) -> list[tuple[int, int]]:
        """The rows that came before, each with how often."""
        import numpy as np

        is_repeat = np.ones(len(keys), np.bool_)
        is_repeat[np.unique(keys, return_index=True)[1]] = False
        for seen in self._seen:
            is_repeat |= seen[np.minimum(np.searchsorted(seen, keys), len(seen) - 1)] == keys
        found = []
        for row in np.flatnonzero(is_repeat).tolist():
            key = int(keys[row])
            self._repeats[key] = self._repeats.get(key, 0) + 1
            found.append((row, self._repeats[key]))
        self._remember(np.unique(keys[~is_repeat]))
        return found

    def _remember(self, keys: NDArray[np.uint64]) -> None:
        import numpy as np

        if len(keys):
            self._seen.append(keys)
        while len(self._seen) > 1 and len(self._seen[-2]) <= 2 * len(self._seen[-1]):
            last: Any = self._seen.pop()
            self._seen[-1] = np.sort(np.concatenate([self._seen[-1], last]))
