#!/usr/bin/env bash
# albumentations 2.0.8: a pipeline without a seed carries the state of its generators with it. Every process that gets a
# copy, forked or spawned, draws the same augmentations, and draws them again when workers are started for the next epoch.
#
# Seen, flips and rotations of one picture, two processes of three pictures each, in two epochs: three different results
# in place of twelve. In torch's DataLoader (2.15.0) with num_workers=2 it is the same: both workers alike, each epoch
# like the first, with fork and with spawn, with seed=None and with a seed. With workers, a network sees each picture in
# far fewer forms than the settings promise; in the main process (num_workers=0) the draws go on as expected.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet albumentations==2.0.8 numpy==2.4.6 2> /dev/null
cat > "$folder/draw.py" <<'PYTHON'
import multiprocessing
import sys

import albumentations
import numpy as np

picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def augment(pipeline):
    return [int(pipeline(image=picture)["image"].astype(int).sum()) for _ in range(3)]


if __name__ == "__main__":
    transforms = [albumentations.HorizontalFlip(p=0.5), albumentations.Affine(rotate=(-20, 20), p=1)]
    seen = {}
    for start in ("fork", "spawn"):
        pipeline = albumentations.Compose(transforms)
        context, results = multiprocessing.get_context(start), []
        for epoch in (1, 2):
            with context.Pool(2) as workers:
                drawn = workers.map(augment, [pipeline] * 2, chunksize=1)
            print(f"{start}, epoch {epoch}: worker 1 {drawn[0]}, worker 2 {drawn[1]}")
            results += drawn[0] + drawn[1]
        seen[start] = len(set(results))
    alone = {value for _ in range(4) for value in augment(pipeline)}
    print(f"different results of 12: fork {seen['fork']}, spawn {seen['spawn']}, one process {len(alone)}")
    sys.exit(0 if seen == {"fork": 3, "spawn": 3} and len(alone) > 10 else "the behaviour has changed")
PYTHON
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" "$folder/draw.py"
