"""pycuda, imported and started."""

from __future__ import annotations

from typing import Any

from dynast_deploy.errors import DynastError


def import_driver() -> Any:
    """`pycuda.driver`, started.

    Raises:
        DynastError: Where pycuda, the driver or a GPU is missing.
    """
    try:
        import pycuda.driver as driver
    except ModuleNotFoundError as error:
        raise DynastError(
            f"a GPU engine needs {error.name}: pip install 'dynast-deploy[trt]' (or, for TensorRT-RTX, "
            "'dynast-deploy[rtx]' and pycuda)"
        ) from None
    except ImportError as error:
        raise DynastError(
            f"pycuda is installed but does not load ({error}); `dynast doctor` tells what is wrong with the driver"
        ) from error
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise DynastError(f"the NVIDIA driver does not start ({error}); see `dynast doctor`") from error
    if not count:
        raise DynastError(
            "no NVIDIA GPU is visible; see `dynast doctor`, and CUDA_VISIBLE_DEVICES if it is set"
        )
    return driver
