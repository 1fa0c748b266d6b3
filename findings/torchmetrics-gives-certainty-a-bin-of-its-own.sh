#!/usr/bin/env bash
# torchmetrics 1.9.0: the calibration error with n_bins=N has N + 1 bins: a confidence of exactly 1.0 gets one of its own.
#
# Seen: 50 rows with confidence 1.0, all wrong, and 50 with 0.95, all right. In one bin the accuracy is 0.5 and the mean
# confidence 0.975, so that the error is 0.475, in 15 bins too, since both confidences are in the last. Binary and
# multiclass give 0.525 for n_bins=1 and n_bins=15, which is the mean of the two groups taken apart. In float32 a softmax
# of logits 17 or more apart is exactly 1.0, so that confident models have many such rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchmetrics==1.9.0 2> /dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

confidences = torch.tensor([1.0] * 50 + [0.95] * 50)
targets = torch.tensor([0] * 50 + [1] * 50)
one_bin = abs(float(targets.float().mean() - confidences.mean()))
two_groups = np.average([abs(0.0 - 1.0), abs(1.0 - 0.95)])
print(f"the rows in one bin: {one_bin:.3f}; the two groups apart: {two_groups:.3f}")
holds = torch.softmax(torch.tensor([17.5, 0.0]), 0)[0] == 1.0
for num_bins in (1, 15):
    pairs = torch.stack([1 - confidences, confidences], dim=1)
    errors = (
        float(binary_calibration_error(confidences, targets, n_bins=num_bins)),
        float(multiclass_calibration_error(pairs, targets, num_classes=2, n_bins=num_bins)),
    )
    print(f"n_bins={num_bins}: binary {errors[0]:.3f}, multiclass {errors[1]:.3f}")
    holds &= np.allclose(errors, two_groups) and not np.allclose(errors, one_bin)
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
