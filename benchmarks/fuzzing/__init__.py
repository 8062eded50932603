"""Damaged files for every reader: how they are damaged, who reads them, and what must come of it."""
