"""Static quantization: activations in 8 bits, in ranges that are calibrated on train rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from headrace.quantization.weight_only import quantize_weights

Calibration: TypeAlias = Literal["minmax", "percentile", "entropy"]
"""Range of an activation: from minimum to maximum, 99.999 % of the values, or that of the least Kullback-Leibler
divergence."""
ROWS_PER_CALIBRATION_RUN = 32  # all activations of that many rows are in memory at once
METHODS: dict[Calibration, str] = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
"""Calibration -> its name in ONNX Runtime's CalibrationMethod."""
BINS: dict[Calibration, int] = {"entropy": 512}
"""Bins of the histograms that ranges are chosen from. ONNX Runtime's 128 leave entropy nothing to choose."""

# for tables without their preprocessing, whose columns differ in scale and hold NaN for missing values
STATIC_OPERATORS = {"f": ("MatMul", "Gemm", "Relu")}
"""NumPy kind of a graph's input -> operators to quantize; all that can be if the kind is not listed."""
UNFIT_OPERATORS = ("Softmax", "InstanceNormalization")


def quantize_activations(
    prepared_path: Path, path: Path, *, rows: NDArray[Any], calibration: Calibration, exclude: Collection[str] = ()
) -> None:
    """Writes the graph with 8-bit activations and weights; nodes named in `exclude` stay in float32.

    Weights of nodes that ONNX Runtime does not quantize, as those of recurrent layers, are stored in 8 bits. The ranges
    are calibrated on `rows` once, and stored beside the prepared graph.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    ranges_path = prepared_path.with_suffix(f".{calibration}.json")
    if not ranges_path.exists():
        _calibrate(prepared_path, ranges_path, rows, calibration)
    quantize_static(
        str(prepared_path),
        str(path),
        calibration_cache_path=ranges_path,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_operators(rows),
        nodes_to_exclude=[*_find_unfit_nodes(prepared_path), *exclude],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod[METHODS[calibration]],
    )
    quantize_weights(path, path, exclude=exclude)


def find_quantized_nodes(prepared_path: Path, rows: NDArray[Any]) -> dict[str, str]:
    """Returns the operator by name of each node that `quantize_activations` can quantize, in the order of the graph."""
    import onnx
    from onnxruntime.quantization.registry import QDQRegistry

    operators = set(_operators(rows) or QDQRegistry)
    unfit = set(_find_unfit_nodes(prepared_path))
    nodes = onnx.load(prepared_path).graph.node
    return {node.name: node.op_type for node in nodes if node.op_type in operators and node.name not in unfit}


def discard_ranges(prepared_path: Path) -> None:
    """Removes the ranges of an earlier graph at this path."""
    for path in prepared_path.parent.glob(f"{prepared_path.stem}.*.json"):
        path.unlink()


def _operators(rows: NDArray[Any]) -> list[str] | None:
    return list(STATIC_OPERATORS.get(rows.dtype.kind, ())) or None


def _calibrate(prepared_path: Path, ranges_path: Path, rows: NDArray[Any], calibration: Calibration) -> None:
    """Collects run by run: ONNX Runtime would hold the activations of all runs, and raise on a shorter last one."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator, save_tensors_data

    calibrator = create_calibrator(
        prepared_path,
        _operators(rows),
        augmented_model_path=str(ranges_path.with_suffix(".onnx")),
        calibrate_method=CalibrationMethod[METHODS[calibration]],
        extra_options={"num_bins": BINS[calibration]} if calibration in BINS else {},
    )
    for start in range(0, len(rows), ROWS_PER_CALIBRATION_RUN):
        calibrator.collect_data(
            _make_reader(rows[start : start + ROWS_PER_CALIBRATION_RUN], _input_name(prepared_path))
        )
    save_tensors_data(calibrator.compute_data(), ranges_path)


def _make_reader(rows: NDArray[Any], input_name: str) -> Any:
    """Yields the rows once to ONNX Runtime's calibration."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc] # the base class is untyped
        runs: Iterator[NDArray[Any]] = iter([rows])

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            run = next(self.runs, None)
            return None if run is None else {input_name: run}

    return Reader()


def _input_name(graph_path: Path) -> str:
    import onnx

    return str(onnx.load(graph_path).graph.input[0].name)


def _find_unfit_nodes(graph_path: Path) -> list[str]:
    """Names of nodes that must stay in float32: softmax with the consumers of its outputs, and instance norm.

    Between quantized neighbors ONNX Runtime (1.31) fuses softmax to QLinearSoftmax, which outputs 0 if the
    probabilities are nearly equal. It cannot load a graph with a quantized InstanceNormalization, as group norm is
    exported.
    """
    import onnx

    nodes = onnx.load(graph_path).graph.node
    outputs = {name for node in nodes if node.op_type == "Softmax" for name in node.output}
    return [node.name for node in nodes if node.op_type in UNFIT_OPERATORS or outputs & set(node.input)]
