#!/usr/bin/env bash
# onnxruntime 1.32.0: quantize_static with CalibrationMethod.Entropy keeps the whole range, outliers and all, like MinMax:
# its histograms have 128 bins, and it looks for the best 128 of them. The number of bins cannot be set through it.
#
# Seen: 20,000 normal values and one of 40, into a MatMul. MinMax and Entropy give the activation the same scale, 0.1726
# (44/255). The calibrator of create_calibrator with num_bins=2048 clips the outlier: 0.0380.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.22.0 2> /dev/null
cd "$folder"
venv/bin/python - 2> /dev/null <<'PYTHON'
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, create_calibrator
from onnxruntime.quantization import quantize_static

rng = np.random.default_rng(0)
rows = rng.normal(size=(1250, 16)).astype(np.float32)
rows[0, 0] = 40.0
weights = numpy_helper.from_array(rng.normal(size=(16, 4)).astype(np.float32), "w")
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"])],
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 16])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])],
    [weights],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), "float.onnx")


class Reader(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"x": rows}])

    def get_next(self):
        return next(self.batches, None)


def find_scale(method):
    quantize_static("float.onnx", "int8.onnx", Reader(), quant_format=QuantFormat.QDQ, calibrate_method=method)
    scales = {each.name: numpy_helper.to_array(each) for each in onnx.load("int8.onnx").graph.initializer}
    return float(scales["x_scale"])


minmax, entropy = find_scale(CalibrationMethod.MinMax), find_scale(CalibrationMethod.Entropy)
calibrator = create_calibrator("float.onnx", calibrate_method=CalibrationMethod.Entropy, extra_options={"num_bins": 2048})
calibrator.collect_data(Reader())
low, high = (float(np.ravel(value)[0]) for value in calibrator.compute_data()["x"].range_value)
print(f"scales: MinMax {minmax:.4f}, Entropy {entropy:.4f}")
print(f"Entropy of 2,048 bins: {(high - low) / 255:.4f}")
holds = entropy > 0.95 * minmax and (high - low) / 255 < 0.5 * minmax
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
