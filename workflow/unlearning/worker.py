"""A warm process that stages are forked from, so that a cell does not load torch anew.

Each cell stays a job of its own. Where `resources.cells_per_job` is above 1, rules/common.smk names
a folder of this Snakemake and its id in $UNLEARNING_WORKER. `python -m unlearning STAGE` is then a
thin client: it hands arguments, working directory, environment and its three standard streams to a
worker, which has the heavy modules and never touches a GPU, and waits for the child
that runs the stage. Signals go on to the child, its end comes back as the client's own; the child
ends with its client or with its worker. A worker takes so many cells and ends with its Snakemake.
Where there is none to be had, the stage runs in the client's process.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ASKED = "UNLEARNING_WORKER"  # folder:id of the Snakemake process:cells of a worker
STAGES = ("pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate")
STAGES += ("harness", "unlearn_logistic", "unlearn_markov")
# what the stages load only once they run: the mini models' class, ROUGE
LATE = ("transformers.models.llama.modeling_llama", "rouge_score.rouge_scorer")
MAPPING = "transformers.conversion_mapping"
FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
# No numeric library has threads when a worker forks (pyarrow's jemalloc, behind ROUGE, has one and
# minds forks itself). Whether there is a GPU NVML is asked: had the driver been, no child could use
# one.
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ENVIRONMENT["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
STARTED = b"."


def through_worker(arguments: list[str]) -> int | None:
    """Exit status of the stage, run by a worker; None if it is to run in this process."""
    asked = os.environ.pop(ASKED, None)  # the processes of one stage, below, ask for none
    several = any(word == "--processes" and int(count) > 1 for word, count in pairwise(arguments))
    if asked is None or several or not set(STAGES) & set(arguments[:5]):
        return None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        status = _handed_over(arguments, asked.rsplit(":", 2))
    except OSError as error:
        print(f"no worker ({error}): the stage runs in a process of its own", file=sys.stderr)
        status = None
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return status


def _handed_over(arguments: list[str], asked: list[str]) -> int:
    """The child's exit status; this process dies of what it died of. OSError if none began."""
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    with _connected(*asked) as worker, tempfile.TemporaryFile("w+") as file:
        json.dump(request, file)
        file.seek(0)
        socket.send_fds(worker, [STARTED], [0, 1, 2, file.fileno()])
        if worker.recv(1) != STARTED:
            raise ConnectionResetError("it ended before the stage began")
        for number in FORWARDED:
            signal.signal(number, lambda number, _: _tell(worker, bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        told = _heard(worker)
        for number in FORWARDED:
            signal.signal(number, signal.SIG_DFL)
    if not told:
        print("the worker was killed, and the stage with it", file=sys.stderr)
    end = json.loads(told or json.dumps({"status": -signal.SIGKILL, "rss": 0}))
    print(f"peak memory: {end['rss'] >> 20} MB", file=sys.stderr, flush=True)
    if end["status"] < 0:
        os.kill(os.getpid(), -end["status"])
    return end["status"]


def _connected(folder: str, snakemake: str, cells: str) -> socket.socket:
    """A connection to the worker whose turn it is; one that is not there is started."""
    connection = socket.socket(socket.AF_UNIX)
    with Path(folder, "cells").open("a") as count:  # a byte for each
        fcntl.flock(count, fcntl.LOCK_EX)
        address = Path(folder, f"{os.fstat(count.fileno()).st_size // int(cells)}.socket")
        try:
            connection.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            address.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(address))
                listener.listen(128)
                kept = listener.fileno()
                command = [sys.executable, "-m", "unlearning.worker", folder, snakemake, cells]
                subprocess.Popen(
                    [*command, str(kept)],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **ENVIRONMENT},
                    pass_fds=[kept],
                    start_new_session=True,
                )
                connection.connect(str(address))
        count.write(".")
    return connection


def _tell(other: socket.socket, message: bytes) -> None:
    with suppress(OSError):  # it was killed, which the caller hears of by itself
        other.sendall(message)


def _heard(other: socket.socket) -> bytes:
    """What the other end says; nothing if it was killed."""
    try:
        return other.recv(1000)
    except ConnectionError:
        return b""


@dataclass
class Worker:
    """Takes cells from `listener`. running: child -> connection of its client."""

    listener: socket.socket
    folder: Path
    snakemake: int
    cells: int
    running: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> list[str] | None:
        """The arguments of a stage, in each child; None in the worker, at its end."""
        while self.running or (self.cells and _alive(self.snakemake)):
            heard = [self.listener] * (self.cells > 0) + list(self.running.values())
            for ready in select.select(heard, [], [], 0.02 if self.running else 0.5)[0]:
                if ready is not self.listener:
                    self._pass_on(ready)
                elif arguments := self._take():
                    return arguments
            self._reap()
        if not _alive(self.snakemake):
            shutil.rmtree(self.folder, ignore_errors=True)
        return None

    def _take(self) -> list[str] | None:
        """Fork a child for the next client; returns its arguments in the child."""
        client = self.listener.accept()[0]
        self.cells -= 1
        _, descriptors, _, _ = socket.recv_fds(client, 1, 4)
        worker = os.getpid()
        child = os.fork() if len(descriptors) == 4 else None  # fewer: the client was killed
        if child == 0:
            for connection in (self.listener, client, *self.running.values()):
                connection.close()
            return _become(descriptors, worker)
        for descriptor in descriptors:
            os.close(descriptor)
        if child:
            self.running[child] = client
            _tell(client, STARTED)
        return None

    def _pass_on(self, client: socket.socket) -> None:
        """A client's signals, or its end, to its child."""
        child = next(pid for pid, other in self.running.items() if other is client)
        for number in _heard(client) or [signal.SIGKILL]:
            os.kill(child, number)

    def _reap(self) -> None:
        for child in list(self.running):
            done, status, used = os.wait4(child, os.WNOHANG)
            if done:
                unit = 1 if sys.platform == "darwin" else 1024
                end = {"status": os.waitstatus_to_exitcode(status), "rss": used.ru_maxrss * unit}
                _tell(self.running[child], json.dumps(end).encode())
                self.running.pop(child).close()


def _become(descriptors: list[int], worker: int) -> list[str]:
    """Take over a client's streams, folder, environment and threads; returns its arguments."""
    import torch

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: with the worker
        if os.getppid() != worker:
            os._exit(1)
        Path("/proc/self/comm").write_text("unlearning")
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with os.fdopen(descriptors[3]) as file:
        request = json.load(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    return request["arguments"]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def main() -> int:
    """Load what stages need, then serve; in a child, run the stage."""
    folder, *numbers = sys.argv[1:]
    snakemake, cells, kept = map(int, numbers)
    module_of = importlib.import_module("unlearning.__main__").module_of
    for module in (*map(module_of, STAGES), *LATE):
        importlib.import_module(module)
    # a table of a thousand patterns, which transformers makes at the first load of a model
    importlib.import_module(MAPPING).get_checkpoint_conversion_mapping("llama")
    # every training cell's state names the code that it was made by: what is loaded here
    own = (name for name in sys.modules if name.startswith(f"{__package__}."))
    importlib.import_module("unlearning.fingerprint").fingerprint(*own)
    sys.stdout.flush()
    for stream in (1, 2):  # so far those of the first cell
        os.dup2(0, stream)
    gc.freeze()  # children share these objects' pages
    arguments = Worker(socket.socket(fileno=kept), Path(folder), snakemake, cells).serve()
    if arguments is None:
        return 0
    return importlib.import_module("unlearning.__main__").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
