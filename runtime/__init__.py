"""Running engines: ONNX Runtime, PyTorch, exemplars, video pipeline, `dynast-run`."""
