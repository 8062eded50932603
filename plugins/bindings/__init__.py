"""The compiled libraries as Python functions."""
