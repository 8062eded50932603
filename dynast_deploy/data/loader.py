"""Batches of a stream, from any step on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from itertools import count

import cv2
import torch
from torch.utils.data import DataLoader, Sampler

from dynast_deploy.data.sample import Sample, SampleStream


class _Steps(Sampler[list[int]]):
    """Sample numbers of one process's batches: step by step, each step's batch split among the processes."""

    def __init__(self, batch: int, first: int, rank: int, world: int) -> None:
        self.batch, self.first, self.rank, self.world = batch, first, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for step in count(self.first):
            start = (step * self.world + self.rank) * self.batch
            yield list(range(start, start + self.batch))


def stream_batches(
    stream: SampleStream, batch: int, workers: int = 0, first: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[Sample]:
    """Endless batches of `batch` samples, those of steps `first`, `first + 1`, ... (from 0).

    Of `world` processes, process `rank` gets its share: step t takes the samples from t * world * batch on, so all
    processes together see what one process with `world * batch` samples in a step sees. Batches depend on nothing else,
    not on `workers` (processes that prepare samples; 0 prepares them in this one).

    With workers, OpenCV draws with one thread from now on, here as in them: its threads do not survive a fork, and
    a worker that inherits a pool of them waits for ever.
    """
    if workers:
        cv2.setNumThreads(1)
    return DataLoader(
        stream,
        batch_sampler=_Steps(batch, first, rank, world),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        persistent_workers=workers > 0,
        worker_init_fn=_heed_the_owner_alone,
        # Else the loader takes a number out of PyTorch's own sequence.
        generator=torch.Generator(),
    )


def _heed_the_owner_alone(worker: int) -> None:
    """Ctrl-C and service managers signal workers too; only the process that they work for is to end them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # Linux
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_told_by, args=(os.getppid(),), daemon=True).start()


def _end_when_told_by(owner: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != owner:
        pass
    os._exit(0)
