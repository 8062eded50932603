"""NVIDIA's driver: memory, streams and graphs, without a library that computes."""
