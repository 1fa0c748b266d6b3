import numpy as np
import pytest
from scipy.stats import kstest

from headrace.data.row_random import STREAMS, draw_uniforms, philox

ROWS = np.array([5, 0, 17, 123_456_789, 2**40 + 5])


# kat_vectors of Random123, https://github.com/DEShawResearch/random123/blob/main/tests/kat_vectors: philox4x32 10
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_matches_the_published_vectors(counter: list[int], key: tuple[int, int], words: list[int]) -> None:
    assert philox(np.array(counter, np.uint64)[:, None], key)[:, 0].tolist() == words


def test_draw_uniforms_of_a_row_is_independent_of_other_rows() -> None:
    expected = draw_uniforms(3, 1, 2, ROWS, 6)
    np.testing.assert_array_equal(draw_uniforms(3, 1, 2, ROWS[::-1], 6)[::-1], expected)
    np.testing.assert_array_equal(draw_uniforms(3, 1, 2, ROWS[2:3], 6)[0], expected[2])
    np.testing.assert_array_equal(draw_uniforms(3, 1, 2, ROWS, 64)[:, :6], expected)
    assert draw_uniforms(3, 1, 2, ROWS, 0).shape == (5, 0)


def test_draw_uniforms_differ_by_seed_stream_epoch_row_and_column() -> None:
    drawn = [
        draw_uniforms(seed, stream, epoch, ROWS, 9)
        for seed in (0, 1, 2**32 - 1)
        for stream in STREAMS.values()
        for epoch in (0, 1, 2**20)
    ]
    assert len(np.unique(np.stack(drawn))) == np.stack(drawn).size


def test_draw_uniforms_are_uniform_and_independent() -> None:
    drawn = draw_uniforms(0, 1, 7, np.arange(20_000), 5)
    assert 0 <= drawn.min() < drawn.max() < 1
    assert all(kstest(column, "uniform").pvalue > 0.001 for column in drawn.T)
    off_diagonal = np.corrcoef(drawn.T) - np.eye(5)
    assert np.abs(off_diagonal).max() < 0.03
