"""CANDIDATES: ways to quantize the exported graph to int8."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.quantization.batch_norm import convert_batch_norms
from headrace.quantization.static_quantization import (
    Calibration,
    discard_ranges,
    find_quantized_nodes,
    quantize_activations,
)
from headrace.quantization.weight_only import MIN_WEIGHTS, find_weight_nodes, quantize_weights

Method: TypeAlias = Literal["static", "weights", "dynamic"]

PREPARED = "prepared.onnx"
# no convolutions: ConvInteger is many times slower than Conv (onnxruntime#12854)
DYNAMIC_OPERATORS = ("MatMul", "Gemm", "Gather", "Attention", "EmbedLayerNormalization", "LSTM")


@dataclass(frozen=True)
class Candidate:
    """How to make a candidate: signed weights per channel; static and dynamic ones have unsigned 8-bit activations.

    Static and dynamic ones have 7-bit weights: with 8 bits, sums of products saturate on processors without VNNI, which
    then give other answers, and other ones to a row alone than to the same row in a batch.
    """

    method: Method
    calibration: Calibration | None = None
    """Ranges of activations of a static one."""

    @property
    def portability(self) -> str:
        """Whether other processors give the same answers, in one sentence."""
        if self.method == "weights":
            return "weights of 8 bits, computed in float32: other processors answer alike, to float32 rounding"
        return "weights of 7 bits, whose sums of products saturate on no processor: with VNNI and without answer alike"


CANDIDATES: dict[str, Candidate] = {
    "weights": Candidate("weights"),
    "static_minmax": Candidate("static", "minmax"),
    "static_percentile": Candidate("static", "percentile"),
    "static_entropy": Candidate("static", "entropy"),
    "dynamic": Candidate("dynamic"),
}
"""Name -> candidate. Between equals, the first one is chosen."""


def list_candidates(methods: Sequence[Method], calibrations: Sequence[Calibration]) -> list[str]:
    """Names of the candidates of some methods and, for static ones, some calibrations."""
    return [
        name
        for name, candidate in CANDIDATES.items()
        if candidate.method in methods and candidate.calibration in {None, *calibrations}
    ]


def make_candidates(
    graph_path: Path, folder: Path, *, rows: NDArray[Any], names: Sequence[str]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Writes the prepared graph (PREPARED) and some candidates to `folder`.

    Returns the path of each graph by name, and the reason by name for each candidate that could not be made.
    """
    graph_paths, failures = {}, {}
    prepare_graph(graph_path, folder / PREPARED)
    for name in names:
        path = folder / f"{name}.onnx"
        try:
            make_candidate(CANDIDATES[name], folder / PREPARED, path, rows=rows)
        except DataError as error:
            failures[name] = str(error)
        else:
            graph_paths[name] = path
    return graph_paths, failures


def prepare_graph(graph_path: Path, prepared_path: Path) -> None:
    """Infers shapes, fuses layers and converts batch norms, as quantization requires.

    Raises DataError if ONNX Runtime cannot.
    """
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    discard_ranges(prepared_path)
    try:
        with _quiet():
            # the exporter wrote the shapes already; symbolic inference would import SymPy (1 s)
            quant_pre_process(str(graph_path), str(prepared_path), skip_symbolic_shape=True)
            graph = onnx.load(prepared_path)
            _drop_weight_shapes(graph)
            convert_batch_norms(graph)
            onnx.save(graph, prepared_path)
    except Exception as error:  # ONNX Runtime's exceptions have no narrower base class
        raise DataError(
            f"{graph_path}: ONNX Runtime cannot process this graph ({_describe(error)}); train again"
        ) from error


def make_candidate(
    candidate: Candidate, prepared_path: Path, path: Path, *, rows: NDArray[Any], exclude: Collection[str] = ()
) -> None:
    """Writes the candidate to `path`; static quantization is calibrated on `rows` `[rows, *input_shape]`.

    Nodes named in `exclude` stay in float32. Raises DataError with ONNX Runtime's reason if that fails.
    """
    try:
        with _quiet():
            if candidate.method == "dynamic":
                _make_dynamic(prepared_path, path, exclude)
            elif candidate.calibration:
                quantize_activations(prepared_path, path, rows=rows, calibration=candidate.calibration, exclude=exclude)
            else:
                _make_weights(prepared_path, path, exclude)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"could not be made: {_describe(error)}") from error


def find_nodes(candidate: Candidate, prepared_path: Path, rows: NDArray[Any]) -> dict[str, str]:
    """Returns the operator of each node, by name, that can be quantized for a candidate, in the order of the graph."""
    if candidate.method == "weights":
        return find_weight_nodes(prepared_path)
    return find_quantized_nodes(prepared_path, rows)


def _drop_weight_shapes(graph: Any) -> None:
    """Drops the exporter's shapes of weights: dynamic quantization transposes those of Gemm and then fails on them."""
    weights = {weight.name for weight in graph.graph.initializer}
    activations = [value for value in graph.graph.value_info if value.name not in weights]
    del graph.graph.value_info[:]
    graph.graph.value_info.extend(activations)


def _make_weights(prepared_path: Path, path: Path, exclude: Collection[str]) -> None:
    if not quantize_weights(prepared_path, path, exclude=exclude):
        raise DataError(f"has no weights of {MIN_WEIGHTS} values or more, which would be worth it")


def _make_dynamic(prepared_path: Path, path: Path, exclude: Collection[str]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(prepared_path),
        str(path),
        op_types_to_quantize=list(DYNAMIC_OPERATORS),
        nodes_to_exclude=list(exclude),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )


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
