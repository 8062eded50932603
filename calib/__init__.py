"""Calibration and precision conversion."""
