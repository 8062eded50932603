"""Keypoints: formats, readers, people, pose models."""
