"""The native operators for PyTorch."""
