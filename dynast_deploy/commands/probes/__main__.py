"""Answers one probe in a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from dynast_deploy.broken_package import broken_package
from dynast_deploy.commands.probes import PROBES, reinstall
from dynast_deploy.commands.probes.finding import Finding


def main() -> None:
    """Answer the probe named on the command line; a fault of whatever kind is an answer too."""
    try:
        finding = PROBES[sys.argv[1]]()
    except Exception as error:
        broken = broken_package(error)
        finding = (
            Finding(False, broken.detail, broken.fix)
            if broken
            else Finding(False, f"does not work: {type(error).__name__}: {error}", reinstall(sys.argv[1]))
        )
    print(json.dumps(asdict(finding)))


if __name__ == "__main__":
    main()
