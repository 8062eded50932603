"""`dynast bench`: one frame of the engine beside the published formulation, each in a process of its own."""
