"""A script a user could write instead of the clean stage: one thread, Pillow and pandas, the same image checks.

Usage: plain_clean.py FOLDER, where FOLDER contains the Parquet shards of `data/raw`. Prints the counts.
"""

import hashlib
import io
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter
from scipy.fft import dctn

NUM_BANDS, BITS_PER_BAND = 4, 16


def measure_image(data: bytes) -> dict:
    """Returns hash, size, brightness, sharpness and perceptual hash of an image."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except Exception:  # noqa: BLE001 decoders raise various exceptions
        return {"undecodable": True}
    pixels = np.asarray(image.convert("RGB"))
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float32)
    low = dctn(small)[:8, :8].ravel()
    bits = low > np.median(low)
    edges = np.asarray(image.convert("L").filter(ImageFilter.Kernel((3, 3), [0, 1, 0, 1, -4, 1, 0, 1, 0], 1, 128)))
    return {
        "undecodable": False,
        "mode": image.mode,
        "key": hashlib.md5(pixels.tobytes()).hexdigest(),  # noqa: S324 not for security
        "width": image.width,
        "height": image.height,
        "mean": grey.mean(),
        "std": grey.std(),
        "low": np.percentile(grey, 1),
        "high": np.percentile(grey, 99),
        "sharpness": edges.astype(np.float32).std(),
        "hash": np.packbits(bits).tobytes(),
        "small": np.asarray(image.convert("L").resize((16, 16)), dtype=np.float32).ravel(),
    }


def count_near_duplicates(table: pd.DataFrame) -> int:
    """Counts near-duplicates by banded hashes and the correlation of thumbnails."""
    near_duplicates: set[int] = set()
    for band in range(NUM_BANDS):
        buckets = defaultdict(list)
        for row, value in table["hash"].items():
            buckets[value[band * BITS_PER_BAND // 8 : (band + 1) * BITS_PER_BAND // 8]].append(row)
        for rows in buckets.values():
            for first, second in pairwise(rows):
                a, b = table.loc[first, "small"], table.loc[second, "small"]
                if np.corrcoef(a, b)[0, 1] > 0.98:  # noqa: PLR2004
                    near_duplicates.add(second)
    return len(near_duplicates)


def count_label_errors(table: pd.DataFrame) -> int:
    """Counts suspected label errors among the first 20,000 rows, by cross-validated predictions."""
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    table = table.head(20_000)
    codes = table["label"].astype("category").cat.codes.to_numpy()
    features = np.stack(table["small"].to_list()) / 255
    probabilities = cross_val_predict(LogisticRegression(max_iter=200), features, codes, cv=5, method="predict_proba")
    return int(find_label_issues(codes, probabilities, n_jobs=1).sum())


def main() -> None:
    raw = pd.concat([pd.read_parquet(path) for path in sorted(Path(sys.argv[1]).glob("part-*.parquet"))])
    raw = raw.reset_index(drop=True)
    table = pd.concat([raw[["row_id", "label"]], pd.DataFrame([measure_image(data) for data in raw["image"]])], axis=1)
    good = table[~table["undecodable"].astype(bool)]
    unique = good[~good.duplicated("key")]
    counts = {
        "undecodable": len(table) - len(good),
        "duplicate": len(good) - len(unique),
        "conflicting": int((good.groupby("key")["label"].nunique() > 1).sum()),  # noqa: PD101
        "blank": int((unique["std"] < 1).sum()),
        "dark": int((unique["high"] < 32).sum()),  # noqa: PLR2004
        "bright": int((unique["low"] > 224).sum()),  # noqa: PLR2004
        "blurred": int((unique["sharpness"] < 2).sum()),  # noqa: PLR2004
        "aspect": int((unique[["width", "height"]].max(axis=1) > 4 * unique[["width", "height"]].min(axis=1)).sum()),
        "near_duplicate": count_near_duplicates(unique.reset_index(drop=True)),
        "label_error": count_label_errors(unique),
    }
    print(counts)


main()
