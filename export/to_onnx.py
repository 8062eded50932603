"""`python export/to_onnx.py ckpt.pth`: a checkpoint becomes one ONNX file that any runtime executes."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python puts this folder on the path; the package is one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from dynast_deploy.commands.export import main

if __name__ == "__main__":
    main()
