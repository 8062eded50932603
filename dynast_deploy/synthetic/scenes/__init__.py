"""Procedural pictures for style transfer: what to paint, and paintings.

    content = paint_content(seed=3, size=256)      # a scene as a plain drawing
    style = paint_style(seed=8, size=256)          # another scene in some technique and palette

Training uses seeds below `FIRST_EVALUATION_SEED`, evaluation the seeds from there on. Scenes, techniques with their
measures, and palettes all come from the seed.
"""

from dynast_deploy.synthetic.scenes.draw import FIRST_EVALUATION_SEED, paint_content, paint_style

__all__ = ["FIRST_EVALUATION_SEED", "paint_content", "paint_style"]
