"""Drawn data with exact ground truth: `people` for poses, `faces`, and `scenes` for style transfer."""
