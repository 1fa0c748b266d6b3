#!/usr/bin/env bash
# onnxruntime 1.32.0: Percentile, Entropy and Distribution calibration raise where the last batch of a reader is shorter
# than the others, as it is whenever the number of rows is no multiple of the batch size. MinMax takes the same reader.
#
# Seen: 20 rows in batches of 8, 8 and 4, through quantize_static of a MatMul. MinMax writes the model. The three others,
# which collect all outputs of a tensor with np.asarray, end in: ValueError: setting an array element with a sequence. The
# requested array has an inhomogeneous shape after 1 dimensions. With 24 rows (8, 8, 8) all four write the model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.22.0 2> /dev/null
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, quantize_static

rng = np.random.default_rng(0)
weights = numpy_helper.from_array(rng.normal(size=(16, 4)).astype(np.float32), "w")
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"])],
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 16])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])],
    [weights],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnx.save(model, "float.onnx")


class Reader(CalibrationDataReader):
    def __init__(self, num_rows):
        rows = rng.normal(size=(num_rows, 16)).astype(np.float32)
        self.batches = iter([{"x": rows[start : start + 8]} for start in range(0, num_rows, 8)])

    def get_next(self):
        return next(self.batches, None)


def calibrate(method, num_rows):
    try:
        quantize_static(
            "float.onnx", "int8.onnx", Reader(num_rows), quant_format=QuantFormat.QDQ, calibrate_method=method
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "written"


holds = True
for method in CalibrationMethod:
    full, short = calibrate(method, 24), calibrate(method, 20)
    print(f"{method.name}: 8, 8, 8: {full}; 8, 8, 4: {short}")
    holds &= full == "written" and (short == "written") == (method == CalibrationMethod.MinMax)
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
