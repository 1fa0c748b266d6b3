"""PERTURBATIONS of texts and of tables' rows, at five strengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.encode import EMPTY_CELLS

Generators: TypeAlias = list[np.random.Generator]
Cells: TypeAlias = NDArray[np.float32]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
TYPO_FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Words with a typo, by strength."""
DROP_FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Words that are left out, by strength."""
MISSING_FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Cells that are missing, by strength."""
NOISE_DEVIATIONS = (0.1, 0.2, 0.3, 0.5, 1.0)
"""Deviation of the noise, in standard deviations of the column over the test rows, by strength."""


def add_typos(text: str, strength: int, rng: np.random.Generator) -> str:
    """One slip of the keyboard in some words: two letters swapped, one lost, doubled or replaced."""
    words = text.split(" ")
    has_typo = rng.random(len(words)) < TYPO_FRACTIONS[strength]
    places, kinds, letters = rng.random(len(words)), rng.integers(0, 4, len(words)), rng.choice(LETTERS, len(words))
    for index in np.flatnonzero(has_typo).tolist():
        word = words[index]
        at = int(places[index] * len(word))
        before, letter, after = word[:at], word[at : at + 1], word[at + 1 :]
        slips = (before + after[:1] + letter + after[1:], before + after, before + letter * 2 + after)
        words[index] = (*slips, before + str(letters[index]) + after)[kinds[index]]
    return " ".join(words)


def drop_words(text: str, strength: int, rng: np.random.Generator) -> str:
    """Leaves words out, but never all."""
    words = text.split()
    draws = rng.random(len(words))
    remaining = draws >= min(DROP_FRACTIONS[strength], draws.max(initial=0))
    return " ".join(word for word, is_left in zip(words, remaining.tolist(), strict=True) if is_left)


TEXT_PERTURBATIONS: dict[str, Callable[[str, int, np.random.Generator], str]] = {
    "typos": add_typos,
    "dropped_words": drop_words,
}


def empty_cells(cells: Cells, strength: int, generators: Generators, transform: Json) -> Cells:
    """Empties cells of any column; a date or a text loses all its inputs together."""
    inputs = transform["inputs"]
    names = list(dict.fromkeys(entry["column"] for entry in inputs))
    columns = np.array([names.index(entry["column"]) for entry in inputs])
    draws = np.stack([rng.random(len(names)) for rng in generators])
    empty = [EMPTY_CELLS[entry["kind"]] for entry in inputs]
    return np.where(draws[:, columns] < MISSING_FRACTIONS[strength], np.array(empty, np.float32), cells)


def add_cell_noise(
    cells: Cells, strength: int, generators: Generators, transform: Json, deviations: NDArray[np.float64]
) -> Cells:
    """Adds normal noise to numbers (not to dates, categories or texts); `deviations`: those of the stored inputs."""
    kinds = {column["name"]: column["kind"] for column in transform["columns"]}
    is_number = np.array([kinds[entry["column"]] == "numeric" for entry in transform["inputs"]])
    noise = np.stack([rng.standard_normal(cells.shape[1]) for rng in generators])
    changed = cells + NOISE_DEVIATIONS[strength] * deviations * noise
    return np.where(is_number, changed, cells).astype(np.float32)


def measure_deviations(cells: Cells) -> NDArray[np.float64]:
    """`[inputs]`: standard deviations without missing cells; 0 where there is no value."""
    known = np.isfinite(cells)
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, cells.astype(np.float64), 0)
    mean = values.sum(axis=0) / count
    squares: NDArray[np.float64] = np.where(known, np.square(values - mean), 0).sum(axis=0) / count
    return np.sqrt(squares)
