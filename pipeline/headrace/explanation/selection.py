"""Selection: which rows a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPS = ("wrong", "unsure", "right")
VALUE_GROUPS = ("furthest", "extreme", "others")


def pick_examples(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Row indices by group, a third of `num_examples` each where there are as many; no row twice.

    `wrong`: the surest mistakes. `unsure`: the least sure of those that are right. `right`: a random draw of the rest.
    """
    import numpy as np

    share = _thirds(num_examples)
    surest_first = np.argsort(-confidence, kind="stable")
    wrong = surest_first[~correct[surest_first]][: share[0]]
    is_right = surest_first[correct[surest_first]]
    unsure = is_right[::-1][: share[1]]
    rest = is_right[: len(is_right) - len(unsure)]
    right = np.random.default_rng(seed).permutation(rest)[: share[2]]
    return dict(zip(GROUPS, (wrong, unsure, right), strict=True))


def pick_values(
    values: NDArray[np.float64], errors: NDArray[np.float64], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Row indices of a regression by group, a third of `num_examples` each where there are as many; no row twice.

    `furthest`: the largest errors. `extreme`: of the rest, predictions furthest from their median. `others`: a random
    draw of what is left.
    """
    import numpy as np

    share = _thirds(num_examples)
    furthest, rest = np.split(np.argsort(-np.abs(errors), kind="stable"), [share[0]])
    distance = np.abs(values - np.median(values))
    extreme, rest = np.split(rest[np.argsort(-distance[rest], kind="stable")], [share[1]])
    others = np.random.default_rng(seed).permutation(np.sort(rest))[: share[2]]
    return dict(zip(VALUE_GROUPS, (furthest, extreme, others), strict=True))


def _thirds(num_examples: int) -> list[int]:
    import numpy as np

    return [len(part) for part in np.array_split(np.arange(num_examples), len(GROUPS))]
