"""Rows shared out over processes, each of which holds the whole model."""

from collections.abc import Callable

from accelerate import Accelerator
from accelerate.utils import gather_object


def gather_sharded(accelerator: Accelerator, items: list, work: Callable[[list], list]) -> list:
    """work() on this process's share of items; the results of all, in the items' order."""
    world, rank = accelerator.num_processes, accelerator.process_index
    mine = list(zip(range(rank, len(items), world), work(items[rank::world]), strict=True))
    return [value for _, value in sorted(gather_object(mine), key=lambda pair: pair[0])]
