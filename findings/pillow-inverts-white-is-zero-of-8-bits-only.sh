#!/usr/bin/env bash
# Pillow 13.0.0: of TIFFs whose PhotometricInterpretation is 0 (WhiteIsZero, as scanners and X-ray detectors write them),
# those of 8 bits are inverted when they are opened, those of 16 bits and of 32-bit floats are not, without a word.
#
# Seen: the same ramp of black to white, written with WhiteIsZero at 8, 16 and 32 bits. At 8 bits the stored 0 is read as
# 255, white; at 16 bits it is read as 0, black, and the image is a negative. np.asarray of both thus disagrees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6 2> /dev/null
cd "$folder"
venv/bin/python - <<'PYTHON'
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def write_tiff(path, pixels, sample_format):
    """A baseline TIFF 6.0 of one strip, little-endian, with PhotometricInterpretation 0."""
    height, width = pixels.shape
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, pixels.itemsize * 8), (259, 3, 1), (262, 3, 0),
        (273, 4, 8 + 2 + 10 * 12 + 4), (277, 3, 1), (278, 4, height), (279, 4, pixels.nbytes), (339, 3, sample_format),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + struct.pack("<I", 0)
    path.write_bytes(head + pixels.tobytes())


first = {}
for name, dtype, sample_format in (("8 bits", "u1", 1), ("16 bits", "<u2", 1), ("32-bit floats", "<f4", 3)):
    ramp = np.linspace(0, 255 if dtype == "u1" else 65535, 16).astype(dtype)[None]
    write_tiff(Path("x.tif"), ramp, sample_format)
    with Image.open("x.tif") as image:
        read = np.asarray(image)[0]
    first[name] = "inverted" if read[0] > read[-1] else "as stored"
    print(f"{name}: stored {ramp[0, 0]:g} to {ramp[0, -1]:g}, read {read[0]:g} to {read[-1]:g}: {first[name]}")
expected = {"8 bits": "inverted", "16 bits": "as stored", "32-bit floats": "as stored"}
sys.exit(0 if first == expected else "the behaviour has changed")
PYTHON
