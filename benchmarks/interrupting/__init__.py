"""What `signals.py` runs: the commands, their inputs, and the checks of what they wrote."""
