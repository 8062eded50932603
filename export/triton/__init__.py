"""A model repository for NVIDIA Triton out of `model.plan`."""
