"""`python export/build_engine.py --fp16`: `model.onnx` becomes `model.plan`, for TensorRT or TensorRT-RTX."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python puts this folder on the path; the package is one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from dynast_deploy.commands.build_engine import main

if __name__ == "__main__":
    main()
