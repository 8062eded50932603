"""`dynast bench`: one frame of the engine compared with the published formulation, each in a process of its own."""
