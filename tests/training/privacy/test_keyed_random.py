from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from headrace.training.privacy.keyed_random import (
    KEY_BYTES,
    derive_key,
    draw_normals,
    draw_uniforms,
    read_or_create_key,
)

KEY = derive_key(0)


def test_numbers_are_a_pure_function_of_key_purpose_and_position() -> None:
    first = draw_uniforms(KEY, "rows", (1, 2), 50)
    draw_uniforms(KEY, "rows", (1, 3), 50)
    np.testing.assert_array_equal(draw_uniforms(KEY, "rows", (1, 2), 50), first)
    np.testing.assert_array_equal(draw_uniforms(KEY, "rows", (1, 2), 9), first[:9])
    others = [(derive_key(1), "rows", (1, 2)), (KEY, "noise", (1, 2)), (KEY, "rows", (2, 1)), (KEY, "rows", (12,))]
    for key, purpose, position in others:
        assert not set(draw_uniforms(key, purpose, position, 50)) & set(first)


def test_uniforms_are_above_0_and_at_most_1() -> None:
    numbers = draw_uniforms(KEY, "rows", (0, 0), 20_000)
    assert 0 < numbers.min() < 1e-3
    assert 1 - 1e-3 < numbers.max() <= 1
    assert stats.kstest(numbers, "uniform").pvalue > 0.01


@pytest.mark.parametrize("count", [0, 1, 7, 20_000])
def test_normals_have_the_requested_count(count: int) -> None:
    assert draw_normals(KEY, "noise", (0, 0), count).shape == (count,)


def test_normals_are_independent_and_standard_normal() -> None:
    numbers = draw_normals(KEY, "noise", (0, 0), 20_000)
    assert stats.kstest(numbers, "norm").pvalue > 0.01
    halves = numbers.reshape(2, -1)  # both numbers of each pair
    assert abs(np.corrcoef(halves)[0, 1]) < 0.03
    assert abs(np.corrcoef(halves**2)[0, 1]) < 0.03


def test_key_in_a_file_is_created_once_and_only_readable_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as workers:
        keys = set(workers.map(lambda _: read_or_create_key(path), range(32)))
    assert len(keys) == 1
    assert keys == {read_or_create_key(path)}
    assert len(keys.pop()) == KEY_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
    assert read_or_create_key(tmp_path / "other") != read_or_create_key(path)
