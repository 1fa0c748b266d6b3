from functools import partial

import numpy as np
import pytest
import torch

from headrace.data.row_random import STREAMS, draw_uniforms
from headrace.data.table.encoding.augment import FeatureDropout, TableMixup, TextColumnDropout
from headrace.data.table.encoding.preprocess import TablePreprocess
from tests.text_tables import make_text_table

NUMBER = {"kind": "numeric", "fill": 7.0, "center": 5.0, "scale": 2.0, "quantiles": None}
TRANSFORM = {
    "inputs": [
        {"name": "a", "column": "a", "has_missing": True} | NUMBER,
        {"name": "b", "column": "b", "kind": "categorical", "num_values": 5},
        {"name": "when.days", "column": "when", "has_missing": False} | NUMBER,
        {"name": "when.week_sin", "column": "when", "has_missing": False} | NUMBER,
    ]
}
ROWS = np.arange(3_000)
INPUTS = np.stack([ROWS, 2 + ROWS % 3, ROWS * 2, ROWS * 3], axis=1).astype(np.float32)


def test_feature_dropout_sets_a_fraction_of_the_cells_to_missing() -> None:
    given = INPUTS.copy()
    dropped = FeatureDropout(0.2, 0, TRANSFORM)(given, ROWS, 1)
    np.testing.assert_array_equal(given, INPUTS)
    assert dropped.dtype == np.float32
    missing = np.isnan(dropped)
    missing[:, 1] = dropped[:, 1] == 1
    np.testing.assert_array_equal(dropped[~missing], INPUTS[~missing])
    assert missing.mean(axis=0) == pytest.approx([0.2] * 4, abs=0.025)
    np.testing.assert_array_equal(missing[:, 2], missing[:, 3])  # inputs of one date
    assert 0.02 < (missing[:, 0] & missing[:, 1]).mean() < 0.06  # 0.2 * 0.2: independent


def test_feature_dropout_of_a_cell_gives_the_median_and_a_flag() -> None:
    dropped = FeatureDropout(0.5, 0, TRANSFORM)(INPUTS, ROWS, 1)
    features = TablePreprocess(TRANSFORM)(torch.from_numpy(dropped)).numpy()
    is_dropped = np.isnan(dropped[:, 0])
    np.testing.assert_array_equal(features[is_dropped][:, :2], [[1.0, 1.0]] * is_dropped.sum())  # (7 - 5) / 2
    assert (features[dropped[:, 1] == 1, 3] == 1).all()


def test_feature_dropout_depends_only_on_seed_epoch_and_row() -> None:
    drop = FeatureDropout(0.3, 0, TRANSFORM)
    whole = drop(INPUTS, ROWS, 1)
    np.testing.assert_array_equal(drop(INPUTS[70:80], ROWS[70:80], 1), whole[70:80])
    for other in (drop(INPUTS, ROWS, 2), FeatureDropout(0.3, 1, TRANSFORM)(INPUTS, ROWS, 1)):
        assert (np.isnan(other) != np.isnan(whole)).any()


def test_mixup_blends_numbers_and_picks_categories() -> None:
    partners = INPUTS[::-1].copy()
    shares = np.full(len(ROWS), 0.7)
    draw = partial(draw_uniforms, 0, STREAMS["mix"], 0, ROWS)
    mixed, mixed_shares = TableMixup(TRANSFORM)(INPUTS, partners, shares, draw)
    np.testing.assert_allclose(mixed[:, [0, 2, 3]], (0.7 * INPUTS + 0.3 * partners)[:, [0, 2, 3]], rtol=1e-5)
    differ = INPUTS[:, 1] != partners[:, 1]
    is_own, is_partner = mixed[:, 1] == INPUTS[:, 1], mixed[:, 1] == partners[:, 1]
    assert (is_own | is_partner).all()
    assert is_own[differ].mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_array_equal(mixed_shares, shares)


def test_mixup_with_a_missing_number_picks_one_row() -> None:
    inputs, partners = INPUTS.copy(), INPUTS[::-1].copy()
    inputs[:, 0] = np.nan
    draw = partial(draw_uniforms, 0, STREAMS["mix"], 0, ROWS)
    mixed, _ = TableMixup(TRANSFORM)(inputs, partners, np.full(len(ROWS), 0.7), draw)
    missing = np.isnan(mixed[:, 0])
    assert missing.mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_array_equal(mixed[~missing, 0], partners[~missing, 0])


def test_feature_dropout_drops_whole_texts() -> None:
    table = make_text_table()
    dropped = FeatureDropout(0.4, 0, table.transform)(table.inputs, np.arange(len(table.inputs)), 1)
    is_empty = (dropped[:, 17:33] == 0).all(axis=1)
    assert is_empty.mean() == pytest.approx(0.4, abs=0.1)
    np.testing.assert_array_equal(dropped[~is_empty, 17:33], table.inputs[~is_empty, 17:33])


def test_token_dropout_leaves_the_other_columns() -> None:
    table = make_text_table()
    dropped = TextColumnDropout(0.25, 0, table.transform)(table.inputs, np.arange(len(table.inputs)), 1)
    assert dropped.dtype == np.float32
    np.testing.assert_array_equal(dropped[:, [16, 33]], table.inputs[:, [16, 33]])
    is_token = table.inputs[:, 17:33] != 0
    np.testing.assert_array_equal(dropped[:, 17:33] != 0, is_token)
    is_dropped = (dropped[:, 17:33] != table.inputs[:, 17:33])[is_token]
    assert is_dropped.mean() == pytest.approx(0.25, abs=0.05)


def test_mixup_takes_a_text_from_one_row_as_a_whole() -> None:
    table, rows = make_text_table(), np.arange(200)
    partners = table.inputs[::-1].copy()
    draw = partial(draw_uniforms, 0, STREAMS["table"], 1, rows)
    mixed, _ = TableMixup(table.transform)(table.inputs, partners, np.full(200, 0.7), draw)
    is_own, is_other = ((mixed[:, 17:33] == inputs[:, 17:33]).all(axis=1) for inputs in (table.inputs, partners))
    assert (is_own | is_other).all()
    assert is_own.mean() == pytest.approx(0.7, abs=0.1)
