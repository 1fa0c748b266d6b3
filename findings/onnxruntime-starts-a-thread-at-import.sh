#!/usr/bin/env bash
# onnxruntime starts a thread when it is imported, before any session exists and whatever the environment says about
# threads. A process that is forked afterwards has no such thread: code that forks must not import onnxruntime before.
# Versions: onnxruntime 1.31.1 and 1.32.0, numpy 2.4.6, Python 3.11, Linux.
# Seen: "threads: numpy 1, onnxruntime 2" (OPENBLAS_NUM_THREADS=1 leaves numpy without threads of its own).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 1.31.1 1.32.0; do
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==$version" numpy==2.4.6
  output=$(OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 "$folder/venv/bin/python" -c '
import os
import numpy
threads = "/proc/self/task"
before = len(os.listdir(threads))
import onnxruntime
print(f"threads: numpy {before}, onnxruntime {len(os.listdir(threads))}")')
  echo "onnxruntime $version: $output"
  [ "$output" = 'threads: numpy 1, onnxruntime 2' ] || { echo 'changed: update docs/upstream.md'; exit 1; }
done
echo 'as described'
