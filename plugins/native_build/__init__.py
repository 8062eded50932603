"""Compiling the native operators."""
