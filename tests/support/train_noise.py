"""Trains on noise as `training_run.tiny_config` says; started by `torchrun` in a test."""

from __future__ import annotations

import sys
from pathlib import Path

from training_run import Noise, tiny_config

from dynast_deploy.training import loop

if __name__ == "__main__":
    out, *changes = sys.argv[1:]
    loop.training_data = lambda *arguments: Noise()  # type: ignore[assignment]
    loop.train(tiny_config(*changes), Path(out))
