"""Engines on PyTorch: checkpoints as they are."""
