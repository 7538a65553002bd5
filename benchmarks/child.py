"""A call in a process of its own, so that no arm of a benchmark finds another's memory."""

from collections.abc import Callable
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage

import torch
from unlearning.allocation import keep_freed_memory


def in_child(call: Callable, keep: bool) -> tuple:
    """(result, largest resident memory in MB) of a call on the CPU. keep: whether freed memory
    stays in the process, as in our stages.

    A fork has none of its parent's OpenMP threads and would wait for them: run with one thread,
    as the records do. RuntimeError with more."""
    if torch.get_num_threads() > 1:
        raise RuntimeError("set OMP_NUM_THREADS=1: the arms take one thread each")
    context = get_context("fork")  # models and rows are there already
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        if keep:
            keep_freed_memory()
        result = call()
        sender.send((result, getrusage(RUSAGE_SELF).ru_maxrss / 1024))

    process = context.Process(target=run)
    process.start()
    sender.close()  # else no end of file follows from a child that fails
    try:
        return receiver.recv()
    finally:
        process.join()
