"""Networks in TensorFlow Lite's format, brought to ONNX: what MediaPipe's models need and no more."""

from dynast_deploy.formats.tflite.to_onnx import onnx_of_tflite

__all__ = ["onnx_of_tflite"]
