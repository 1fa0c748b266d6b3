"""A script a user could write instead of `normalize`: one thread, Pillow and NumPy. Independent of this project.

Usage: photos_program.py FOLDER SIDE. Decodes the photos below FOLDER, resizes each to fit into SIDE x SIDE pixels with
black borders, and stacks them in memory. Prints one line of JSON: their number, mean and seconds.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def main() -> None:
    folder, side = Path(sys.argv[1]), int(sys.argv[2])
    started = time.perf_counter()
    paths = sorted(folder.rglob("*.jpg"))
    stacked = np.empty((len(paths), side, side, 3), np.uint8)
    for index, path in enumerate(paths):
        with Image.open(path) as image:
            photo = ImageOps.exif_transpose(image).convert("RGB")
        stacked[index] = ImageOps.pad(photo, (side, side), Image.Resampling.BILINEAR)
    print(json.dumps({"rows": len(paths), "mean": stacked.mean(), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
