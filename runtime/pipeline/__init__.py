"""From frames to pictures: drawing conditions, rendering, and what a run reports."""
