import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.image.value_range import Extent, choose_range, measure_extent, merge_extents, scale_values


@pytest.mark.parametrize(
    ("low", "high", "is_whole", "expected"),
    [
        (0, 4090, True, (0, 4095)),  # 12 bits
        (3, 1800, True, (0, 2047)),
        (0, 65535, True, (0, 65535)),
        (0, 255, True, (0, 255)),  # 8 bits in 32
        (10, 90, True, (0, 255)),
        (-1024, 3071, True, (-1024, 3071)),  # CT
        (7000, 9000, True, (7000, 9000)),  # of a thermal camera: 12 % of 14 bits
        (2000, 2000, True, (0, 2047)),
        (0, 1, False, (0, 1)),
        (0.01, 0.9, False, (0, 1)),
        (0.5, 0.6, False, (0.5, 0.6)),
        (270.5, 310.0, False, (270.5, 310.0)),
        (-0.5, -0.5, False, (-0.5, 0.5)),
    ],
)
def test_range_is_of_a_sensors_bits_or_of_the_values(
    low: float, high: float, is_whole: bool, expected: tuple[float, float]
) -> None:
    assert choose_range(Extent(low, high, is_whole)) == expected


def test_extent_leaves_out_a_few_defect_pixels_and_nan() -> None:
    values = np.arange(10_000, dtype=np.float32).reshape(100, 100) % 4096
    values[0, :3] = 65535
    values[50, 50] = np.nan
    extent = measure_extent(values)
    assert 4080 < extent.high <= 4095
    assert extent.is_whole
    assert not measure_extent(values / 2).is_whole


def test_extent_of_nothing_finite_is_empty() -> None:
    assert measure_extent(np.full((2, 2), np.nan)) == (0, 0, True)


def test_merged_extents_span_all_and_skip_images_of_eight_bits() -> None:
    parts = [Extent(3, 9, is_whole=True), None, Extent(-1, 5, is_whole=False)]
    assert merge_extents(parts) == merge_extents(reversed(parts)) == (-1, 9, False)
    assert merge_extents([None]) is None


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**31))
def test_scaling_maps_the_ends_and_clips(low: int, width: int) -> None:
    values = np.array([low - 1, low, low + width, low + width + 1, np.nan])
    assert scale_values(values, (low, low + width)).tolist() == [0, 0, 255, 255, 0]
    assert scale_values(values, (low, low + width), is_inverted=True).tolist() == [255, 255, 0, 0, 255]


def test_scaling_of_sixteen_bits_is_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16)
    scaled = scale_values(values, (0, 65535))
    assert np.abs(scaled - values / 257).max() <= 0.5
