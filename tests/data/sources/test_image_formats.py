import io
import sys

import pytest
from PIL import Image

from headrace.data.sources.image_formats import EXTENSIONS, FORMATS, HEIC_EXTENSIONS, is_heic, is_image, lacks_heic


def test_extensions_are_those_of_pillow_for_the_formats() -> None:
    Image.init()
    by_pillow = {extension: kind for extension, kind in Image.registered_extensions().items() if kind in FORMATS}
    assert by_pillow == {extension: kind for kind, extensions in FORMATS.items() for extension in extensions}
    assert set(EXTENSIONS) == {*by_pillow, *HEIC_EXTENSIONS}


@pytest.mark.parametrize("kind", ["EPS", "WMF", "HDF5", "GRIB", "BUFR", "MPEG", "PDF"])
def test_formats_without_a_safe_decoder_are_not_read(kind: str) -> None:
    assert kind not in FORMATS


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", False),
        (b"\0\0\0\x18ftypmp42", False),
        (b"", False),
    ],
)
def test_heic_is_recognised_by_its_brands(data: bytes, expected: bool) -> None:
    assert is_heic(data) is expected


@pytest.mark.parametrize("kind", sorted(FORMATS.keys() - {"SUN", "PCX", "TGA"}))
def test_images_are_recognised_by_their_first_bytes(kind: str) -> None:
    Image.new("RGB", (32, 32)).save(file := io.BytesIO(), kind)
    assert is_image(file.getvalue())


@pytest.mark.parametrize(
    "data", [b"", b"BMW and others", b"DDS is a format", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypmp42"]
)
def test_other_bytes_are_no_images(data: bytes) -> None:
    assert not is_image(data)


def test_heic_is_lacking_only_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not lacks_heic([".heic"])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert lacks_heic([".png", ".heif"])
    assert not lacks_heic([".png", ".avif"])
