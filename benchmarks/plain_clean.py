"""What a user could write instead of the clean stage for images: one thread, Pillow and pandas, the same checks.

Usage: plain_clean.py FOLDER, where FOLDER holds the Parquet shards of `data/raw`. Prints the counts.
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

BANDS, BITS = 4, 16


def facts(data: bytes) -> dict:
    """One image: its hash, size, brightness, sharpness and perceptual hash."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except Exception:  # noqa: BLE001 decoders raise anything
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
        "key": hashlib.md5(pixels.tobytes()).hexdigest(),  # noqa: S324 no secret
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


def near(table: pd.DataFrame) -> int:
    """Rows that are almost the same as another, by banded hashes and the correlation of thumbnails."""
    found: set[int] = set()
    for band in range(BANDS):
        buckets = defaultdict(list)
        for row, value in table["hash"].items():
            buckets[value[band * BITS // 8 : (band + 1) * BITS // 8]].append(row)
        for rows in buckets.values():
            for first, second in pairwise(rows):
                a, b = table.loc[first, "small"], table.loc[second, "small"]
                if np.corrcoef(a, b)[0, 1] > 0.98:  # noqa: PLR2004
                    found.add(second)
    return len(found)


def suspects(table: pd.DataFrame) -> int:
    """Suspected label errors, of at most 20,000 rows, by cross-validated guesses."""
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    table = table.head(20_000)
    codes = table["label"].astype("category").cat.codes.to_numpy()
    features = np.stack(table["small"].to_list()) / 255
    guesses = cross_val_predict(LogisticRegression(max_iter=200), features, codes, cv=5, method="predict_proba")
    return int(find_label_issues(codes, guesses, n_jobs=1).sum())


def main() -> None:
    raw = pd.concat([pd.read_parquet(path) for path in sorted(Path(sys.argv[1]).glob("part-*.parquet"))])
    raw = raw.reset_index(drop=True)
    table = pd.concat([raw[["row_id", "label"]], pd.DataFrame([facts(data) for data in raw["image"]])], axis=1)
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
        "near_duplicate": near(unique.reset_index(drop=True)),
        "label_error": suspects(unique),
    }
    print(counts)


main()
