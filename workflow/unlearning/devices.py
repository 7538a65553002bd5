"""Share this machine's GPUs among stages that run beside each other; no torch is imported.

A scheduler gives each job GPUs of its own. Without one every process sees all of them and would
take the first, so a stage chooses those that the fewest other stages use and makes them the only
ones that it sees. Lock files say which are in use; the system frees them when the process ends.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from unlearning.errors import UserError

VARIABLE = "CUDA_VISIBLE_DEVICES"
# NVIDIA's driver makes one file for each GPU, in a container for each that it may use.
DRIVER_FILES = Path("/dev"), "nvidia[0-9]*"
_LOCKS: list[int] = []  # descriptors of lock files, open until this process ends


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; empty where there is
    none of NVIDIA's."""
    value = os.environ.get(VARIABLE)
    if value is not None:
        names = [name.strip() for name in value.split(",") if name.strip()]
        # CUDA sees the devices before the first name that it does not know; -1 is how none is said
        return names[: names.index("-1")] if "-1" in names else names
    folder, pattern = DRIVER_FILES
    return [str(index) for index, _ in enumerate(folder.glob(pattern))]


def gpus_for(number: int) -> list[str]:
    """The visible GPUs, from which a job may take `number`; none on a machine without any.

    UserError if there are fewer than that.
    """
    names = visible_gpus()
    if 0 < len(names) < number:
        raise UserError(
            f"resources.gpus: a job of {number} GPUs cannot run where {len(names)} can be used "
            f"({VARIABLE}={','.join(names)}). Set resources.gpus to {len(names)} or less"
        )
    return names


def claim_gpus(number: int) -> None:
    """Make `number` of the visible GPUs the only visible ones: 0 runs the stage on the CPU.

    They are those that the fewest stages of this user have claimed, so that several jobs on one GPU
    share it. UserError if there are fewer GPUs than that; a machine without any is left as it is,
    since torch may know GPUs of other makers.
    """
    if "LOCAL_RANK" in os.environ:  # one of several processes, which have been given theirs
        return
    if number == 0:
        os.environ[VARIABLE] = ""
        os.environ["ACCELERATE_USE_CPU"] = "true"  # GPUs of other makers
        return
    names = gpus_for(number)
    if not names:
        return
    if number < len(names):
        names = _least_used(names, number)
    os.environ[VARIABLE] = ",".join(names)


def _least_used(names: list[str], number: int) -> list[str]:
    """The names, in their order, of GPUs that the fewest stages use; this process then counts as
    one of their users."""
    folder = Path(tempfile.gettempdir()) / f"unlearning-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claimed: list[str] = []
    for name, lock in _places(names, folder):
        if name in claimed:
            continue
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        os.set_inheritable(descriptor, True)  # accelerate replaces this process
        _LOCKS.append(descriptor)
        claimed.append(name)
        if len(claimed) == number:
            break
    return sorted(claimed, key=names.index)


def _places(names: list[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """(GPU, lock file): a first user's place on each GPU, then a second one's, and so on."""
    for user in count():
        for name in names:
            yield name, folder / f"{name.replace('/', '-')}.{user}"
