import numpy as np
import pytest

from headrace.data.text.augment import TokenDropout

TRANSFORM = {
    "unknown": 1,
    "tokenizer": {
        "added_tokens": [{"id": 0, "special": True}, {"id": 2, "special": True}, {"id": 5, "special": False}]
    },
}
NUM_ROWS, NUM_TOKENS = 300, 24
ROWS = np.arange(NUM_ROWS) + 1_000
IDS = np.random.default_rng(0).integers(3, 50, (NUM_ROWS, NUM_TOKENS)).astype(np.int32)
IDS[:, 0], IDS[::2, 12:] = 2, 0


def test_token_dropout_replaces_a_fraction_of_the_plain_tokens() -> None:
    given = IDS.copy()
    augmented = TokenDropout(0.3, 0, TRANSFORM)(given, ROWS, 0)
    np.testing.assert_array_equal(given, IDS)
    assert (augmented.dtype, augmented.shape) == (IDS.dtype, IDS.shape)
    plain, dropped = IDS > 2, augmented != IDS
    assert (augmented[dropped] == 1).all()
    assert not dropped[~plain].any()  # special tokens and padding
    assert dropped[plain].mean() == pytest.approx(0.3, abs=0.02)
    assert dropped[IDS == 5].any()


def test_token_dropout_depends_only_on_seed_epoch_and_row() -> None:
    drop = TokenDropout(0.3, 0, TRANSFORM)
    whole = drop(IDS, ROWS, 1)
    np.testing.assert_array_equal(drop(IDS[4:9], ROWS[4:9], 1), whole[4:9])
    np.testing.assert_array_equal(drop(IDS[4:5, :12], ROWS[4:5], 1)[0], whole[4, :12])  # with fewer columns
    for other in (drop(IDS, ROWS, 2), TokenDropout(0.3, 1, TRANSFORM)(IDS, ROWS, 1)):
        assert (other != whole).any()
