"""How a process on the CPU holds its memory."""

import ctypes
import platform

# of glibc's malloc.h; both are ints
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST, KEPT = 2**28, 2**30  # bytes of a tensor, and of free memory at the heap's end


def keep_freed_memory() -> None:
    """Let this process use the memory of freed tensors of up to 256 MiB again.

    By default the C library takes every tensor beyond 32 MiB, such as a pass's logits, from the
    system and gives it back once it is freed, and the system fills each of its pages with zeros: a
    tenth of a training step. Other libraries than glibc are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, KEPT)
