"""Quantization: ONNX export, int8 candidates, their benchmark, and the selection of one."""
