"""Candidates: ways to make an int8 graph of the exported one. RECIPES: name -> how."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from headrace.errors import DataError

Method: TypeAlias = Literal["static", "dynamic"]
ROWS_PER_CALIBRATION_RUN = 32  # every activation of so many rows is in memory at once

# convolutions are left out: ConvInteger is many times slower than Conv (onnxruntime#12854)
DYNAMIC_OPERATORS = ("MatMul", "Gemm", "Gather", "Attention", "EmbedLayerNormalization", "LSTM")
# of a table: its preprocessing is left out, whose columns have scales of their own and NaN for what is missing
STATIC_OPERATORS = {"f": ("MatMul", "Gemm", "Relu")}
"""Kind of a graph's input (as NumPy calls it) -> what static recipes quantise, where that is not all they can."""


@dataclass(frozen=True)
class Candidate:
    """How to make one candidate; weights are signed 8-bit a channel, activations unsigned 8-bit."""

    method: Method
    calibration: Literal["MinMax", "Percentile", "None"]
    """Which range of an activation is kept: all that was seen, or 99.999 % of it."""
    has_reduced_range: bool = False
    """7-bit weights: 8-bit ones can saturate on processors without VNNI."""


RECIPES: dict[str, Candidate] = {
    "static_minmax": Candidate("static", "MinMax"),
    "static_percentile": Candidate("static", "Percentile"),
    "static_reduced": Candidate("static", "MinMax", has_reduced_range=True),
    "dynamic": Candidate("dynamic", "None"),
}


def prepare(graph_path: Path, prepared_path: Path) -> None:
    """Infers shapes and fuses layers, which quantisation needs; raises DataError when ONNX Runtime cannot."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        with _quiet():
            # the exporter wrote the shapes; inferring them symbolically would import SymPy (1 s) to find them again
            quant_pre_process(str(graph_path), str(prepared_path), skip_symbolic_shape=True)
            graph = onnx.load(prepared_path)
            _forget_weight_shapes(graph)
            onnx.save(graph, prepared_path)
    except Exception as error:  # ONNX Runtime's own classes derive from nothing narrower
        raise DataError(f"{graph_path}: not a graph that ONNX Runtime takes ({_line(error)}); train again") from error


def _forget_weight_shapes(graph: Any) -> None:
    """Drops the exporter's shapes of weights: dynamic quantisation turns Gemm's around and then trips over them."""
    weights = {weight.name for weight in graph.graph.initializer}
    kept = [value for value in graph.graph.value_info if value.name not in weights]
    del graph.graph.value_info[:]
    graph.graph.value_info.extend(kept)


def make(recipe: Candidate, prepared_path: Path, path: Path, *, rows: NDArray[Any]) -> None:
    """Writes the candidate to `path`; `rows` `[rows, *input_shape]` calibrate it, where the method does so.

    Raises DataError with ONNX Runtime's reason when it cannot be made.
    """
    try:
        with _quiet():
            if recipe.method == "static":
                _make_static(recipe, prepared_path, path, rows)
            else:
                _make_dynamic(prepared_path, path)
    except Exception as error:
        raise DataError(f"could not be made: {_line(error)}") from error


def _make_static(recipe: Candidate, prepared_path: Path, path: Path, rows: NDArray[Any]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        str(prepared_path),
        str(path),
        _reader(rows, _input_name(prepared_path)),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(STATIC_OPERATORS.get(rows.dtype.kind, ())) or None,
        nodes_to_exclude=_around_softmax(prepared_path),
        per_channel=True,
        reduce_range=recipe.has_reduced_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod[recipe.calibration],
        extra_options={"CalibStridedMinMax": 1},  # one run at a time; without it all activations are kept
    )


def _around_softmax(graph_path: Path) -> list[str]:
    """Names of softmax nodes and of what takes their shares.

    Between quantised neighbours ONNX Runtime (1.31) makes them QLinearSoftmax, which answers 0 for shares that are
    nearly alike.
    """
    import onnx

    nodes = onnx.load(graph_path).graph.node
    shares = {name for node in nodes if node.op_type == "Softmax" for name in node.output}
    return [node.name for node in nodes if node.op_type == "Softmax" or shares & set(node.input)]


def _make_dynamic(prepared_path: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(prepared_path),
        str(path),
        op_types_to_quantize=list(DYNAMIC_OPERATORS),
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def _reader(rows: NDArray[Any], input_name: str) -> Any:
    """Hands the rows to ONNX Runtime's calibration, ROWS_PER_CALIBRATION_RUN a run."""
    from onnxruntime.quantization import CalibrationDataReader

    starts = range(0, len(rows), ROWS_PER_CALIBRATION_RUN)

    class Reader(CalibrationDataReader):  # type: ignore[misc] # a base class without types
        runs: Iterator[int] = iter(starts)

        def __len__(self) -> int:
            return len(starts)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.runs = iter(starts[start_index:end_index])

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            start = next(self.runs, None)
            return None if start is None else {input_name: rows[start : start + ROWS_PER_CALIBRATION_RUN]}

    return Reader()


def _input_name(graph_path: Path) -> str:
    import onnx

    return str(onnx.load(graph_path).graph.input[0].name)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0][:200]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps ONNX Runtime's prints, logs and C++ warnings from the terminal; what matters comes as an exception."""
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    # without a handler its `logging.warning` would install one for the whole process
    root, silent, was_disabled = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(silent)
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(was_disabled)
        root.removeHandler(silent)
        ort.set_default_logger_severity(2)
