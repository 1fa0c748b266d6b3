import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.image.resize import resize_pixels


def test_resize_with_pad_preserves_the_aspect_ratio() -> None:
    fitted = resize_pixels(np.full((4, 8, 1), 200, np.uint8), (8, 8, 1), "pad")[..., 0]
    assert (fitted[2:6] == 200).all()
    assert not fitted[:2].any()
    assert not fitted[6:].any()


def test_resize_with_crop_preserves_the_centre() -> None:
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200
    assert (resize_pixels(wide, (4, 4, 3), "crop") == 200).all()


def test_resize_with_stretch_uses_every_pixel() -> None:
    fitted = resize_pixels(np.repeat([[0], [200]], 4, axis=1).astype(np.uint8)[..., None], (4, 4, 1), "stretch")[..., 0]
    assert (fitted[0] == 0).all()
    assert (fitted[3] == 200).all()


@settings(deadline=None)  # a busy machine is slow
@given(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.sampled_from([1, 3]), st.data())
def test_resize_gives_the_requested_size(shape: tuple[int, int], channels: int, data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    rule = data.draw(st.sampled_from(["pad", "crop", "stretch"]))
    fitted = resize_pixels(np.full((*shape, channels), 7, np.uint8), (*size, channels), rule)
    assert fitted.shape == (*size, channels)
    assert fitted.dtype == np.uint8
    assert set(np.unique(fitted)) <= ({0, 7} if rule == "pad" else {7})


def test_grey_is_repeated_and_colours_are_weighted() -> None:
    grey = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    colours = resize_pixels(grey, (2, 2, 3), "pad")
    assert np.array_equal(colours, np.concatenate([grey] * 3, axis=2))
    assert np.array_equal(resize_pixels(colours, (2, 2, 1), "pad"), grey)
    green = np.array([[[0, 255, 0]]], np.uint8)
    assert resize_pixels(green, (1, 1, 1), "pad").tolist() == [[[150]]]  # 0.587 * 255
