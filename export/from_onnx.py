"""`python export/from_onnx.py model.onnx -o ckpt.pth`: the weights of an engine as a checkpoint to train on."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python puts this folder on the path; the package is one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from dynast_deploy.commands.from_onnx import main

if __name__ == "__main__":
    main()
