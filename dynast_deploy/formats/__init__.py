"""The files that packages hand to each other: ONNX models and their metadata, plans, calibrations, checkpoints."""
