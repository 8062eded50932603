"""From a checkpoint to ONNX, from ONNX to an engine."""
