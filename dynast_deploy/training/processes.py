"""The processes that train together: one, or those that `torchrun` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dynast_deploy.errors import DynastError
from dynast_deploy.training.batch_norm import share_batch_norm


@dataclass(frozen=True)
class Processes:
    """This process's place among `world`, and the device that it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this is rank 0, the only one that writes files and prints."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Samples of a batch that fall to each process.

        Raises:
            DynastError: Where they do not divide evenly.
        """
        if batch % self.world:
            raise DynastError(
                f"data.batch is {batch}; it must be a multiple of the {self.world} processes that share it"
            )
        return batch // self.world

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, without gradient. Of any shape; the result has it too."""
        values = values.detach().clone()
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def gathered(self, value: Any) -> list[Any]:
        """What every process has, in order of rank."""
        values = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(values, value)
        return values

    def joined(self, module: nn.Module) -> nn.Module:
        """`module` on the device, with equal first weights everywhere, one batch norm and averaged gradients."""
        module.to(self.device)
        if self.world == 1:
            return module
        share_batch_norm(module)
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the processes that `torchrun` started, over NCCL with GPUs and over Gloo without; else be the only one.

    Raises:
        DynastError: Where this machine has fewer GPUs than processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        if local >= torch.cuda.device_count():
            raise DynastError(
                f"process {local} of this machine has no GPU of its own, there are {torch.cuda.device_count()}; "
                "start torchrun with --nproc-per-node of that number"
            )
        torch.cuda.set_device(device)
    if world == 1:
        yield Processes(0, 1, device)
        return
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Processes(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
