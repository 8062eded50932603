"""The interface of pycuda and of cuda.bindings, as far as `runtime/cuda/device.py` and `runtime/cuda/graph.py` use it.

    python tests/native/describe_pycuda.py WRAP_CUDADRV_CPP | python tests/support/cuda_api.py

writes `data/cuda_names.json` anew, on a machine with cuda-bindings and pycuda's source archive.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from checkout import ROOT, TESTS
from tensorrt_interface import MODULE, Api
from tensorrt_uses import Sources

DATA = TESTS / "data" / "cuda_names.json"
FILES = {"pycuda": (("device.py", "library.py"), "driver"), "bindings": (("graph.py",), "bindings")}
"""The only files that call each, and what it is called there."""
IMPORTERS = {"library.py", "graph.py"}
"""The only files that import them."""


def ours(name: str, api: Api, folder: Path = ROOT / "runtime" / "cuda") -> Sources:
    files, root = FILES[name]
    return Sources(
        [folder / file for file in files if (folder / file).exists()],
        {"plugin": {}, "version": name} | api,
        {root: MODULE},
    )


def recorded(name: str) -> Api:
    api: Api = json.loads(DATA.read_text())[name]
    return api


def main() -> None:
    kept = {}
    for name, api in json.load(sys.stdin).items():
        sources = ours(name, api)
        sources.problems()
        kept[name] = sources.needed()
    DATA.write_text(json.dumps(kept, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
