import io
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from headrace.data.image.decode import decode_image
from headrace.data.image.open_image import (
    UndecodableError,
    open_image,
    read_orientation,
    suppress_decoder_warnings,
    translate_decoder_errors,
)
from headrace.data.sources.image_formats import FORMATS

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "SUN"])  # which Pillow does not write
def test_every_format_is_opened(kind: str) -> None:
    with suppress_decoder_warnings():
        assert open_image(encoded(NOISE, kind)).format == kind
        assert decode_image(encoded(NOISE, kind)).shape[2] == 3


def test_heic_is_opened_with_the_extra_and_named_without(monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    data = encoded(NOISE, "HEIF", quality=90)
    assert decode_image(data).shape == (64, 64, 3)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UndecodableError, match=r"HEIC needs the package pillow-heif: pip install 'headrace\[heic\]'"):
        open_image(data)


def test_orientation_of_an_image_is_that_of_exif_or_one() -> None:
    exif = Image.Exif()
    for value, expected in ((6, 6), (8, 8), (9, 1)):
        exif[0x0112] = value
        for kind in ("JPEG", "PNG", "WEBP"):
            data = encoded(NOISE, kind, exif=exif)
            assert read_orientation(open_image(data), data) == expected, (value, kind)


def test_orientation_of_a_damaged_exif_block_is_one() -> None:
    data = encoded(NOISE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0")
    assert read_orientation(open_image(data), data) == 1
    assert decode_image(data).shape == (64, 64, 3)


def test_translated_errors_name_the_class_and_keep_their_own() -> None:
    with pytest.raises(UndecodableError, match=r"^KeyError: 'x'$"), translate_decoder_errors():
        raise KeyError("x")
    with pytest.raises(UndecodableError, match="^own$"), translate_decoder_errors():
        raise UndecodableError("own")


def test_warnings_are_suppressed_while_any_thread_wants_it(recwarn: pytest.WarningsRecorder) -> None:
    def warn() -> None:
        warnings.warn_explicit("odd", UserWarning, "decoder.py", 1, module="PIL.Decoder")

    first, second = suppress_decoder_warnings(), suppress_decoder_warnings()
    with first:
        second.__enter__()
        warn()
    warn()  # another thread still decodes
    second.__exit__(None, None, None)
    assert not recwarn.list
    warnings.simplefilter("always")
    warn()
    assert [str(warning.message) for warning in recwarn.list] == ["odd"]
