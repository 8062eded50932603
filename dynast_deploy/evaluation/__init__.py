"""How well a checkpoint or an engine paints what it has never seen, and where its attention looks."""
