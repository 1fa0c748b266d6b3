"""CANDIDATES: ways to quantize the exported graph to int8."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.quantization.weight_only import quantize_weights

Method: TypeAlias = Literal["static", "weights", "dynamic"]
ROWS_PER_CALIBRATION_RUN = 32  # all activations of that many rows are in memory at once

# no convolutions: ConvInteger is many times slower than Conv (onnxruntime#12854)
DYNAMIC_OPERATORS = ("MatMul", "Gemm", "Gather", "Attention", "EmbedLayerNormalization", "LSTM")
# for tables without their preprocessing, whose columns differ in scale and hold NaN for missing values
STATIC_OPERATORS = {"f": ("MatMul", "Gemm", "Relu")}
"""NumPy kind of a graph's input -> operators to quantize statically; all that can be if the kind is not listed."""


@dataclass(frozen=True)
class Candidate:
    """How to make a candidate: signed weights per channel; static and dynamic ones have unsigned 8-bit activations.

    Static ones have 7-bit weights: with 8 bits, sums of products saturate on processors without VNNI, which then give
    other answers, and other ones to a row alone than to the same row in a batch.
    """

    method: Method
    calibration: Literal["MinMax", "Percentile", "None"] = "None"
    """Range of an activation: from minimum to maximum, or 99.999 % of the values."""


CANDIDATES: dict[str, Candidate] = {
    "weights": Candidate("weights"),
    "static_minmax": Candidate("static", "MinMax"),
    "static_percentile": Candidate("static", "Percentile"),
    "dynamic": Candidate("dynamic"),
}
"""Name -> candidate. Between equals, the first one is chosen."""


def make_candidates(
    graph_path: Path, folder: Path, *, rows: NDArray[Any], methods: Sequence[Method]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Writes the candidates of some methods to `folder`.

    Returns the path of each graph by name, and the reason by name for each candidate that could not be made.
    """
    graph_paths, failures = {}, {}
    prepare_graph(graph_path, folder / "prepared.onnx")
    for name, candidate in CANDIDATES.items():
        if candidate.method not in methods:
            continue
        path = folder / f"{name}.onnx"
        try:
            make_candidate(candidate, folder / "prepared.onnx", path, rows=rows)
        except DataError as error:
            failures[name] = str(error)
        else:
            graph_paths[name] = path
    return graph_paths, failures


def prepare_graph(graph_path: Path, prepared_path: Path) -> None:
    """Infers shapes and fuses layers, as quantization requires; raises DataError if ONNX Runtime cannot."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        with _quiet():
            # the exporter wrote the shapes already; symbolic inference would import SymPy (1 s)
            quant_pre_process(str(graph_path), str(prepared_path), skip_symbolic_shape=True)
            graph = onnx.load(prepared_path)
            _drop_weight_shapes(graph)
            onnx.save(graph, prepared_path)
    except Exception as error:  # ONNX Runtime's exceptions have no narrower base class
        raise DataError(
            f"{graph_path}: ONNX Runtime cannot process this graph ({_describe(error)}); train again"
        ) from error


def make_candidate(candidate: Candidate, prepared_path: Path, path: Path, *, rows: NDArray[Any]) -> None:
    """Writes the candidate to `path`; static quantization is calibrated on `rows` `[rows, *input_shape]`.

    Raises DataError with ONNX Runtime's reason if that fails.
    """
    try:
        with _quiet():
            if candidate.method == "static":
                _make_static(candidate, prepared_path, path, rows)
            elif candidate.method == "dynamic":
                _make_dynamic(prepared_path, path)
            else:
                quantize_weights(prepared_path, path)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"could not be made: {_describe(error)}") from error


def _drop_weight_shapes(graph: Any) -> None:
    """Drops the exporter's shapes of weights: dynamic quantization transposes those of Gemm and then fails on them."""
    weights = {weight.name for weight in graph.graph.initializer}
    activations = [value for value in graph.graph.value_info if value.name not in weights]
    del graph.graph.value_info[:]
    graph.graph.value_info.extend(activations)


def _make_static(candidate: Candidate, prepared_path: Path, path: Path, rows: NDArray[Any]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        str(prepared_path),
        str(path),
        _calibration_reader(rows, _input_name(prepared_path)),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(STATIC_OPERATORS.get(rows.dtype.kind, ())) or None,
        nodes_to_exclude=_unfit_nodes(prepared_path),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod[candidate.calibration],
        extra_options={"CalibStridedMinMax": 1},  # by default the activations of all runs stay in memory
    )


def _unfit_nodes(graph_path: Path) -> list[str]:
    """Names of nodes that must stay in float32: softmax with the consumers of its outputs, and instance norm.

    Between quantized neighbors ONNX Runtime (1.31) fuses softmax to QLinearSoftmax, which outputs 0 if the
    probabilities are nearly equal. It cannot load a graph with a quantized InstanceNormalization.
    """
    import onnx

    nodes = onnx.load(graph_path).graph.node
    outputs = {name for node in nodes if node.op_type == "Softmax" for name in node.output}
    return [
        node.name for node in nodes if node.op_type in {"Softmax", "InstanceNormalization"} or outputs & set(node.input)
    ]


def _make_dynamic(prepared_path: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(prepared_path),
        str(path),
        op_types_to_quantize=list(DYNAMIC_OPERATORS),
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def _calibration_reader(rows: NDArray[Any], input_name: str) -> Any:
    """Yields the rows to ONNX Runtime's calibration, ROWS_PER_CALIBRATION_RUN per run."""
    from onnxruntime.quantization import CalibrationDataReader

    starts = range(0, len(rows), ROWS_PER_CALIBRATION_RUN)

    class Reader(CalibrationDataReader):  # type: ignore[misc] # the base class is untyped
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


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0][:200]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences ONNX Runtime's prints, logs and C++ warnings; failures raise exceptions anyway."""
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    # without a handler its `logging.warning` would install one for the whole process
    root, null_handler, was_disabled = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(null_handler)
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(was_disabled)
        root.removeHandler(null_handler)
        ort.set_default_logger_severity(2)
