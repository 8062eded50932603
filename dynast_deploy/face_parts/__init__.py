"""Parts of a face in files: masks in one `.npz`, or pictures as CelebAMask-HQ names them; and where they come from.

In memory they are a dictionary from the names in `conditions.FACE_PARTS` to bool [H, W], true inside the part. They
cover the whole picture, whatever its size; a part that is not seen is left out or false everywhere.
"""

from dynast_deploy.face_parts.parts_file import PartsFile, write_parts
from dynast_deploy.face_parts.sources import PartSource, find_parts_beside, parts_beside, resolve_parts

__all__ = ["PartSource", "PartsFile", "find_parts_beside", "parts_beside", "resolve_parts", "write_parts"]
