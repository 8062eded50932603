"""Frames from videos and pictures as the network sees them, each with its exemplar: for measuring and calibrating."""
