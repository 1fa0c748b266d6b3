import numpy as np
import pytest
from PIL import Image

from headrace.data.image.cleaning import decoded_batches as module
from headrace.data.image.cleaning.decoded_batches import Stack, UndecodableImage, stack_images
from headrace.data.image.reading.rows import encode_png


@pytest.mark.parametrize("stack_bytes", [1, 60, 10_000])
def test_stacks_hold_every_image_once(stack_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STACK_BYTES", stack_bytes)
    rng = np.random.default_rng(0)
    shapes = [(4, 5, 1), (3, 3, 3), (4, 5, 1), (5, 4, 1), (3, 3, 3)]
    images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    data = [encode_png(np.squeeze(image)) for image in images]
    data.insert(2, b"x")
    data.append(b"")
    items = list(stack_images(data))
    unusable = {item.row: item.reason for item in items if isinstance(item, UndecodableImage)}
    assert unusable.keys() == {2, 6}
    assert unusable[6] == "0 bytes"
    pairs = [zip(item.rows, item.pixels, strict=True) for item in items if isinstance(item, Stack)]
    pixels = {row: image for pair in pairs for row, image in pair}
    assert sorted(pixels) == [0, 1, 3, 4, 5]
    for row, image in zip([0, 1, 3, 4, 5], images, strict=True):
        assert np.array_equal(pixels[row], image)


def test_stacks_have_the_modes_of_their_files() -> None:
    image = Image.new("L", (4, 4), 7)
    (stack,) = stack_images([encode_png(np.asarray(image)), encode_png(np.asarray(image.convert("LA")))])
    assert isinstance(stack, Stack)
    assert stack.modes == ["L", "LA"]
