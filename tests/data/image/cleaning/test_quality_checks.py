import io

import numpy as np
import pytest
from PIL import Image

from headrace.data.cleaning.checks import CHECKS
from headrace.data.image.cleaning.decoded_batches import Stack, stack_images
from headrace.data.image.cleaning.quality_checks import check_quality
from headrace.data.image.cleaning.quality_measures import measure_quality, to_grey
from headrace.data.image.reading.rows import encode_png

OPTIONS = {name: check.options for name, check in CHECKS.items() if "image" in check.modalities}
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
DIGIT = np.zeros((28, 28), np.uint8)
DIGIT[6:22, 12:16] = 255


def checks_found(image: np.ndarray | Image.Image, without: tuple[str, ...] = ()) -> list[str]:
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF")
        data = buffer.getvalue()
    else:
        data = encode_png(image)
    (stack,) = stack_images([data])
    assert isinstance(stack, Stack)
    options = {name: given for name, given in OPTIONS.items() if name not in without}
    findings = check_quality(stack, measure_quality(to_grey(stack.pixels)), options)
    assert all(finding.row == 0 and finding.reason for finding in findings)
    return [finding.check for finding in findings]


@pytest.mark.parametrize(
    ("check", "image"),
    [
        ("blank", np.full((20, 20), 128, np.uint8)),
        ("dark", NOISE // 16),
        ("bright", 255 - NOISE // 16),
        ("blurred", np.repeat(np.arange(64, dtype=np.uint8)[None] * 3, 64, axis=0)),
        ("aspect_outlier", NOISE[:10]),
        ("mode", Image.fromarray(NOISE).convert("RGBA")),
        ("mode", Image.fromarray(NOISE).convert("CMYK")),
        ("mode", Image.fromarray(NOISE.astype(np.uint16) * 256)),
        ("mode", Image.fromarray(NOISE).convert("P")),
    ],
)
def test_each_check_reports_its_images_unless_it_is_off(check: str, image: np.ndarray | Image.Image) -> None:
    assert checks_found(image) == [check]
    assert not checks_found(image, without=(check, "blurred") if check == "blank" else (check,))


def test_further_frames_are_reported() -> None:
    first, second = (Image.fromarray(pixels) for pixels in (NOISE, NOISE.T))
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=[second])
    (stack,) = stack_images([buffer.getvalue()])
    assert isinstance(stack, Stack)
    (finding,) = check_quality(stack, measure_quality(to_grey(stack.pixels)), OPTIONS)
    assert finding == (0, "animation", "has several frames or pages, only the first is read", -1)


@pytest.mark.parametrize("image", [DIGIT, 255 - DIGIT, NOISE])
def test_digits_and_noise_pass(image: np.ndarray) -> None:
    assert not checks_found(image)


def test_colours_of_equal_brightness_are_not_blank() -> None:
    red_and_grey = np.full((20, 20, 3), 76, np.uint8)
    red_and_grey[::2] = (255, 0, 0)
    assert "blank" not in checks_found(red_and_grey)


def test_findings_have_the_rows_of_the_stack() -> None:
    blank = np.full((64, 64), 128, np.uint8)
    (stack,) = stack_images([encode_png(image) for image in (NOISE, blank, NOISE, blank)])
    assert isinstance(stack, Stack)
    findings = check_quality(stack, measure_quality(to_grey(stack.pixels)), OPTIONS)
    assert [(finding.row, finding.check) for finding in findings] == [(1, "blank"), (3, "blank")]
    assert findings[0].reason == "grey levels deviate by 0.00"
