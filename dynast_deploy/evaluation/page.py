"""One page of pictures: a row a sample, a column a kind of picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dynast_deploy.files.atomic_file import AtomicFile

MARGIN, HEADER = 6, 18
"""Pixels between pictures, and above them for the columns' names."""


def write_page(path: Path, rows: list[dict[str, np.ndarray]]) -> None:
    """Write a PNG of rows that name their columns, uint8 `[H, W, 3]` of one size.

    Raises:
        DynastError: The file cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    height, width, _ = next(iter(rows[0].values())).shape
    page = Image.new(
        "RGB",
        (len(columns) * (width + MARGIN) + MARGIN, len(rows) * (height + MARGIN) + MARGIN + HEADER),
        "white",
    )
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(columns):
        left = MARGIN + column * (width + MARGIN)
        draw.text((left, MARGIN), name, fill="black")
        for number, row in enumerate(rows):
            if name in row:
                top = HEADER + MARGIN + number * (height + MARGIN)
                page.paste(Image.fromarray(row[name]), (left, top))
    with AtomicFile(path) as partial:
        page.save(partial, format="PNG")
