"""Distribute rows over processes that each have the whole model."""

from collections.abc import Callable

from accelerate import Accelerator
from accelerate.utils import gather_object


def gather_sharded(accelerator: Accelerator, items: list, work: Callable[[list], list]) -> list:
    """Call work() on this process's share of the items; returns the results of all processes, in
    the items' order."""
    count, rank = accelerator.num_processes, accelerator.process_index
    results = work(items[rank::count])
    indexed = list(zip(range(rank, len(items), count), results, strict=True))
    return [result for _, result in sorted(gather_object(indexed), key=lambda pair: pair[0])]
