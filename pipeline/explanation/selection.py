"""Selection: which rows a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPS = ("wrong", "unsure", "right")


def pick_examples(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Row indices by group, a third of `num_examples` each where there are as many; no row twice.

    `wrong`: the surest mistakes. `unsure`: the least sure of those that are right. `right`: a random draw of the rest.
    """
    import numpy as np

    share = [len(part) for part in np.array_split(np.arange(num_examples), len(GROUPS))]
    surest_first = np.argsort(-confidence, kind="stable")
    wrong = surest_first[~correct[surest_first]][: share[0]]
    is_right = surest_first[correct[surest_first]]
    unsure = is_right[::-1][: share[1]]
    rest = is_right[: len(is_right) - len(unsure)]
    right = np.random.default_rng(seed).permutation(rest)[: share[2]]
    return dict(zip(GROUPS, (wrong, unsure, right), strict=True))


def class_means(
    attributions: NDArray[np.float32], classes: NDArray[np.int64], num_classes: int
) -> dict[int, NDArray[np.float32]]:
    """Mean attribution `[*places]` of each class that occurs among `classes` `[rows]`."""
    return {
        index: attributions[classes == index].mean(axis=0) for index in range(num_classes) if (classes == index).any()
    }
