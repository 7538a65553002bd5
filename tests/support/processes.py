"""Several processes of one computation, forked from one that has torch loaded.

What `torchrun` does, without an import of torch, seconds long, in each process.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch.multiprocessing import start_processes
from unlearning.worker import LATE_MODULES


def fork_processes(count: int, store: Path, function: Callable, *arguments) -> None:
    """Call `function(*arguments)` in `count` processes that meet through a file, `store`.

    Raises what start_processes() does if one of them fails.
    """
    for module in LATE_MODULES:  # once, not in each process
        importlib.import_module(module)
    store.unlink(missing_ok=True)  # of an earlier start, for which the processes would wait
    start_processes(_process, (count, store, function, arguments), count, start_method="fork")


def _process(index: int, count: int, store: Path, function: Callable, arguments: tuple) -> None:
    """One of the processes, with what torchrun would tell it."""
    ranks = {"RANK": index, "LOCAL_RANK": index, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ.update({name: str(value) for name, value in ranks.items()})
    file = torch.distributed.FileStore(str(store), count)
    torch.distributed.init_process_group("gloo", store=file, rank=index, world_size=count)
    function(*arguments)
