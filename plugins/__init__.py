"""Dynamic sparse attention as native operators."""
