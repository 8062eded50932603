"""`python -m dynast_deploy.plugins.build`: compile the native libraries. Standard library only."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu, gpu


def main(arguments: list[str] | None = None) -> None:
    """Build what `arguments` (those of the command line unless given) ask for, and print a line for each library.

    Raises:
        SystemExit: With status 2, after a message, where a library cannot be built.
    """
    parser = argparse.ArgumentParser(
        prog=library.BUILD_COMMAND, description="Compile the native attention kernels."
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: the package, else the user's cache"
    )
    parser.add_argument(
        "--cuda", action="store_true", help="the GPU kernels instead, with nvcc: takes minutes"
    )
    parser.add_argument(
        "--capability",
        action="append",
        default=[],
        metavar="8.6",
        help="compute capability that --cuda compiles for, several times if need be (default: of the GPUs here)",
    )
    options = parser.parse_args(arguments)
    try:
        if options.cuda:
            lines = gpu.build_gpu(options.output, [c.replace(".", "") for c in options.capability])
        else:
            lines = cpu.build_all(options.output)
        print(*lines, sep="\n")
    except DynastError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
