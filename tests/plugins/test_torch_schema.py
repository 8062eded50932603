"""The operators' schemas are written out: PyTorch 2.6 cannot infer one from annotations such as `list[bool]`."""

from __future__ import annotations

import subprocess
import sys

import torch

from dynast_deploy.plugins.pyt import attention_operator

_WITHOUT_INFERENCE = """
import torch.library
import torch._library.custom_ops as custom_ops

def refuse(*arguments, **options):
    raise AssertionError("a schema is inferred from annotations")

torch.library.infer_schema = refuse
for module in (custom_ops, torch._library.infer_schema):
    if hasattr(module, "infer_schema"):
        module.infer_schema = refuse
import dynast_deploy.plugins.pyt.attention
"""


def test_no_schema_is_inferred_from_annotations() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT_INFERENCE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_schemas_are_those_of_the_signatures() -> None:
    for operator in (attention_operator.sparse_attention, attention_operator.sparse_attention_backward):
        written = str(operator._opoverload._schema)
        inferred = torch.library.infer_schema(operator._init_fn, mutates_args=())
        assert written == f"dynast::{operator._opoverload._schema.name.split('::')[1]}{inferred}"
