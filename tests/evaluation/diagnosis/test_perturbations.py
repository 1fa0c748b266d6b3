import itertools

import numpy as np
import pytest

from headrace.evaluation.diagnosis import perturbations
from tests.text_tables import make_text_table

TEXT = " ".join(["wonderful", "story", "about", "a", "river"] * 40)
TRANSFORM = {
    "columns": [
        {"name": "size", "kind": "numeric"},
        {"name": "seen", "kind": "date", "parts": ["days", "year_sin"]},
        {"name": "colour", "kind": "categorical"},
    ],
    "inputs": [
        {"column": "size", "kind": "numeric"}, {"column": "seen", "kind": "numeric"},
        {"column": "seen", "kind": "numeric"}, {"column": "colour", "kind": "categorical"},
    ],
}  # fmt: skip
CELLS = np.column_stack([np.random.default_rng(0).normal(0, 4, (500, 3)), np.full(500, 2)]).astype(np.float32)


def generators(num_rows=500):
    return [np.random.default_rng(row) for row in range(num_rows)]


def test_add_typos_changes_the_fraction_of_words_and_more_with_each_strength():
    changed = []
    for strength in range(5):
        words = perturbations.add_typos(TEXT, strength, np.random.default_rng(0)).split(" ")
        assert len(words) == 200
        changed.append(
            {index for index, pair in enumerate(zip(words, TEXT.split(" "), strict=True)) if len(set(pair)) > 1}
        )
    assert all(earlier <= later for earlier, later in itertools.pairwise(changed))
    assert 60 < len(changed[4]) < 110  # half of 200; a slip may leave a word as it was
    assert perturbations.add_typos("", 4, np.random.default_rng(0)) == ""
    assert perturbations.add_typos("  a ", 4, np.random.default_rng(0)).count(" ") == 3


def test_drop_words_leaves_the_order_and_at_least_one_word():
    for strength, fraction in enumerate(perturbations.DROP_FRACTIONS):
        words = perturbations.drop_words(TEXT, strength, np.random.default_rng(0)).split()
        assert len(words) == pytest.approx(200 * (1 - fraction), abs=25)
    assert perturbations.drop_words("one two three", 0, np.random.default_rng(3)).split() in (
        ["one", "two", "three"], ["one", "two"], ["two", "three"], ["one", "three"],
    )  # fmt: skip
    for seed in range(50):
        assert perturbations.drop_words("word", 4, np.random.default_rng(seed)) == "word"
    assert perturbations.drop_words("", 4, np.random.default_rng(0)) == ""


def test_empty_cells_empties_columns_and_more_with_each_strength():
    earlier = np.zeros(CELLS.shape, bool)
    for strength, fraction in enumerate(perturbations.MISSING_FRACTIONS):
        cells = perturbations.empty_cells(CELLS, strength, generators(), TRANSFORM)
        is_empty = np.column_stack([np.isnan(cells[:, :3]), cells[:, 3] == 1])
        assert (is_empty[:, 1] == is_empty[:, 2]).all()
        assert is_empty.mean(axis=0) == pytest.approx(np.full(4, fraction), abs=0.06)
        assert not (earlier & ~is_empty).any()
        assert (cells[~is_empty] == CELLS[~is_empty]).all()
        earlier = is_empty


def test_add_cell_noise_changes_numbers_by_their_deviation():
    missing = CELLS.copy()
    missing[0, 0] = np.nan
    deviations = perturbations.measure_deviations(missing)
    assert deviations[:3] == pytest.approx(np.nanstd(missing[:, :3], axis=0))
    for strength, share in enumerate(perturbations.NOISE_DEVIATIONS):
        cells = perturbations.add_cell_noise(missing, strength, generators(), TRANSFORM, deviations)
        assert np.isnan(cells[0, 0])
        assert (cells[:, 1:] == missing[:, 1:]).all()  # dates and categories
        assert np.nanstd(cells[:, 0] - missing[:, 0]) == pytest.approx(share * deviations[0], rel=0.1)


def test_measure_deviations_of_columns_without_values_is_zero():
    assert perturbations.measure_deviations(np.full((3, 2), np.nan, np.float32)).tolist() == [0, 0]


def test_cells_of_texts_are_emptied_as_a_whole_and_get_no_noise():
    table = make_text_table()
    cells = perturbations.empty_cells(table.inputs, 4, generators(200), table.transform)
    is_empty = (cells[:, 17:33] == 0).all(axis=1)
    assert is_empty.mean() == pytest.approx(0.5, abs=0.1)
    assert (cells[~is_empty, 17:33] == table.inputs[~is_empty, 17:33]).all()
    deviations = perturbations.measure_deviations(table.inputs)
    noisy = perturbations.add_cell_noise(table.inputs, 4, generators(200), table.transform, deviations)
    assert (noisy != table.inputs).any(axis=0).nonzero()[0].tolist() == [16]
