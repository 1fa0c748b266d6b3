#!/usr/bin/env bash
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2: torch.onnx.export writes, into every node of the model,
# a stack trace with the absolute paths of the Python files that ran.
#
# Seen:
# - two thirds of the file of a small network are such metadata (4,851 bytes, 1,727 without them, 1,180 of weights);
# - the same network with the same weights, exported from two copies of one source file in folders of different names,
#   gives files of different bytes and sizes; without the metadata they are equal byte for byte.
# So an exported model names folders of the machine that made it, and neither a checksum of the file nor a size ratio of
# small models means what one would expect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 numpy==2.4.6
mkdir "$folder/a" "$folder/another-folder"
cat > "$folder/a/net.py" <<'PYTHON'
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(13, 16), torch.nn.Linear(16, 3)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))
PYTHON
cp "$folder/a/net.py" "$folder/another-folder/net.py"
cat > "$folder/export.py" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
import torch
from net import Net

torch.manual_seed(0)
torch.onnx.export(Net().eval(), (torch.zeros(2, 13),), sys.argv[2], dynamo=True, external_data=False)
PYTHON
for name in a another-folder; do
  "$folder/venv/bin/python" "$folder/export.py" "$folder/$name" "$folder/$name.onnx" > /dev/null 2>&1
done
cat > "$folder/compare.py" <<'PYTHON'
import sys

import onnx

models = [onnx.load(path) for path in sys.argv[1:]]
before = [model.SerializeToString(deterministic=True) for model in models]
paths = {
    prop.value.split('"')[1]
    for model in models
    for node in model.graph.node
    for prop in node.metadata_props
    if prop.key == "pkg.torch.onnx.stack_trace"
}
for model in models:
    holders = [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info]
    for holder in [*holders, *model.graph.input, *model.graph.output]:
        del holder.metadata_props[:]
after = [model.SerializeToString(deterministic=True) for model in models]
weights = sum(tensor.ByteSize() for tensor in models[0].graph.initializer)
print(f"bytes {[len(data) for data in before]}, of which weights {weights}; without metadata {[len(data) for data in after]}")
print(f"absolute paths in the files: {sum(path.startswith('/') for path in paths)}")
holds = before[0] != before[1] and len(after[0]) < 0.5 * len(before[0]) and after[0] == after[1]
holds = holds and any("another-folder" in path for path in paths)
print("as described" if holds else "CHANGED")
sys.exit(not holds)
PYTHON
"$folder/venv/bin/python" "$folder/compare.py" "$folder/a.onnx" "$folder/another-folder.onnx"
