"""A safetensors file by its public layout: eight bytes with the header's length, JSON, the tensors' bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from torch import Tensor

_KINDS = {"torch.float32": "F32", "torch.float16": "F16", "torch.int64": "I64"}


def safetensors_bytes(state: Mapping[str, Tensor]) -> bytes:
    header, data = {}, b""
    for name, tensor in state.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": _KINDS[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
