"""Engines on ONNX Runtime, and its graphs made fast on CPUs."""
