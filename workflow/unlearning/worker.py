"""A process with torch loaded that short stages are forked from; docs/worker.md explains it.

With `resources.cells_per_job` above 1, rules/common.smk sets $UNLEARNING_WORKER to a folder and the
id of its Snakemake. `python -m unlearning STAGE` is then a thin client: it sends its arguments,
working directory, environment and standard streams to a worker and waits for the child that runs
the stage. The client passes signals on and ends with the child's status. The child ends with its
client or its worker; a worker ends after cells_per_job cells or with its Snakemake. Without a
worker the stage runs in the client's process.
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

import psutil

WORKER_VARIABLE = "UNLEARNING_WORKER"  # folder:id of the Snakemake process:cells of a worker
# stages of which a cell (a single run, such as one method with one seed) may take seconds
STAGES: tuple[str, ...] = ("pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate")
STAGES += ("harness", "unlearn_logistic", "unlearn_markov")
# modules that stages import while they run: the mini models' class, ROUGE
LATE_MODULES = ("transformers.models.llama.modeling_llama", "rouge_score.rouge_scorer")
CONVERSION_MODULE = "transformers.conversion_mapping"
FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
# A forked child has the forking thread alone, so numeric libraries must not have threads in the
# worker (pyarrow's jemalloc, which ROUGE imports, has one and handles forks itself).
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Ask NVML, not the CUDA driver, whether a GPU exists: once CUDA is initialised, forked children
# cannot use it.
ENVIRONMENT["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
STARTED = b"."


def run_in_worker(arguments: list[str]) -> int | None:
    """Run a stage in a worker; returns its exit status, or None if this process has to run it."""
    # removed, so that the processes that a stage starts do not use the worker
    variable = os.environ.pop(WORKER_VARIABLE, None)
    # the stage's name comes after a few options at most
    if variable is None or set(STAGES).isdisjoint(arguments[:5]):
        return None
    # several processes are started by accelerate's launcher, which takes the place of this one
    if any(word == "--processes" and int(count) > 1 for word, count in pairwise(arguments)):
        return None
    # a signal that arrives before the child runs waits until it can be passed on
    signal_mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        status = _run_child(arguments, *variable.rsplit(":", 2))
    except OSError as error:
        print(f"no worker ({error}): the stage runs in a process of its own", file=sys.stderr)
        status = None
    signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
    return status


def _run_child(arguments: list[str], folder: str, snakemake: str, cells: str) -> int:
    """The exit status of a worker's child that runs the stage. OSError if no child started.

    If a signal killed the child, this process sends itself the same signal.
    """
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    with _connect(folder, snakemake, cells) as worker, tempfile.TemporaryFile("w+") as file:
        # the request goes through a file, because an environment can exceed a socket message
        json.dump(request, file)
        file.seek(0)
        socket.send_fds(worker, [STARTED], [0, 1, 2, file.fileno()])
        if worker.recv(1) != STARTED:
            raise ConnectionResetError("it ended before the stage began")
        # from here on signals are the child's
        for number in FORWARDED:
            signal.signal(number, lambda number, _: _send(worker, bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        message = _receive(worker)
        for number in FORWARDED:
            signal.signal(number, signal.SIG_DFL)
    if message:
        result = json.loads(message)
    else:
        print("the worker was killed, and the stage with it", file=sys.stderr)
        result = {"status": -signal.SIGKILL, "peak_memory": 0}
    # Snakemake measures the client only, so the report reads the stage's memory from the log
    print(f"peak memory: {result['peak_memory'] >> 20} MB", file=sys.stderr, flush=True)
    if result["status"] < 0:
        os.kill(os.getpid(), -result["status"])
    return result["status"]


def _connect(folder: str, snakemake: str, cells: str) -> socket.socket:
    """A connection to the current worker, which is started if it is not there.

    File `cells` has one byte for each cell so far, so its size is the number of cells and gives the
    current worker. The lock keeps two clients from starting a worker at the same time.
    """
    connection = socket.socket(socket.AF_UNIX)
    with Path(folder, "cells").open("a") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        address = Path(folder, f"{os.fstat(counter.fileno()).st_size // int(cells)}.socket")
        try:
            connection.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            address.unlink(missing_ok=True)  # of a worker that was killed
            with socket.socket(socket.AF_UNIX) as listener:
                # the client listens and hands the socket over, so it can connect at once
                listener.bind(str(address))
                listener.listen(128)
                descriptor = listener.fileno()
                command = [sys.executable, "-m", "unlearning.worker", folder, snakemake, cells]
                subprocess.Popen(
                    [*command, str(descriptor)],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **ENVIRONMENT},
                    pass_fds=[descriptor],
                    start_new_session=True,  # signals to the client's group do not reach it
                )
                connection.connect(str(address))
        counter.write(".")
    return connection


def _send(connection: socket.socket, message: bytes) -> None:
    with suppress(OSError):  # the other end was killed, which the caller's next receive shows
        connection.sendall(message)


def _receive(connection: socket.socket) -> bytes:
    """The next message; empty if the other end has closed or was killed."""
    try:
        return connection.recv(1000)
    except ConnectionError:
        return b""


@dataclass
class Worker:
    """Forks a child for each client. cells: how many it may still take. clients: id of a child ->
    connection to its client."""

    listener: socket.socket
    folder: Path
    snakemake: psutil.Process
    cells: int
    clients: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> list[str] | None:
        """Returns in each child, with the stage's arguments, and in the worker with None."""
        while self.clients or (self.cells and _is_alive(self.snakemake)):
            sockets = list(self.clients.values())
            if self.cells:
                sockets.append(self.listener)
            # children are waited for by polling, so a short timeout bounds a cell's delay
            timeout = 0.02 if self.clients else 0.5  # seconds
            for ready in select.select(sockets, [], [], timeout)[0]:
                if ready is not self.listener:
                    self._forward_signals(ready)
                elif arguments := self._fork_child():
                    return arguments
            self._report_ended()
        # the last worker of a run clears up; others have a successor that uses the folder
        if not _is_alive(self.snakemake):
            shutil.rmtree(self.folder, ignore_errors=True)
        return None

    def _fork_child(self) -> list[str] | None:
        """Fork a child for the next client; returns the stage's arguments in the child only."""
        client = self.listener.accept()[0]
        self.cells -= 1
        _, descriptors, _, _ = socket.recv_fds(client, 1, 4)
        worker = os.getpid()
        # the client's three streams and the file with its request; fewer if it was killed
        child = os.fork() if len(descriptors) == 4 else None
        if child == 0:
            # an open copy of a connection would hide the end of its client
            for connection in (self.listener, client, *self.clients.values()):
                connection.close()
            return _become_stage(descriptors, worker)
        for descriptor in descriptors:
            os.close(descriptor)
        if child:
            self.clients[child] = client
            _send(client, STARTED)
        return None

    def _forward_signals(self, client: socket.socket) -> None:
        """Send a client's signals to its child; kill the child of a client that has ended."""
        children = {connection: child for child, connection in self.clients.items()}
        # each byte of a message is a signal's number; a client that was killed sends none
        for number in _receive(client) or [signal.SIGKILL]:
            os.kill(children[client], number)

    def _report_ended(self) -> None:
        """Tell the clients of children that have ended their exit status and peak memory."""
        for child in list(self.clients):
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
                result = {
                    "status": os.waitstatus_to_exitcode(status),
                    "peak_memory": usage.ru_maxrss * unit,
                }
                client = self.clients.pop(child)
                _send(client, json.dumps(result).encode())
                client.close()


def _become_stage(descriptors: list[int], worker: int) -> list[str]:
    """Take over a client's streams, folder, environment and threads; returns its arguments."""
    import torch

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: die with the worker
        if os.getppid() != worker:  # the worker ended before that call
            os._exit(1)
        Path("/proc/self/comm").write_text("unlearning")  # the name in ps and top
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with os.fdopen(descriptors[3]) as file:
        request = json.load(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # torch read the worker's OMP_NUM_THREADS when it was imported
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)  # the client blocked them
    return request["arguments"]


def _is_alive(process: psutil.Process) -> bool:
    # os.kill(id, 0) would also find a killed process that its parent has not waited for, and
    # another that has got the id meanwhile: the worker would never end
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def main() -> int:
    """Load the modules of all stages, then serve; in a child, run the stage."""
    folder, *numbers = sys.argv[1:]
    snakemake, cells, descriptor = map(int, numbers)
    gc.disable()  # imports make many objects to search for garbage, and no garbage
    modules = importlib.import_module("unlearning.__main__").modules()
    for module in (*(modules[name] for name in STAGES), *LATE_MODULES):
        importlib.import_module(module)
    # transformers builds a table of a thousand patterns when it first loads a model
    importlib.import_module(CONVERSION_MODULE).get_checkpoint_conversion_mapping("llama")
    # the state of every training run has a fingerprint of the code: parse the package once, here
    package_modules = [name for name in sys.modules if name.startswith(f"{__package__}.")]
    importlib.import_module("unlearning.fingerprint").fingerprint(*package_modules)
    # so far stdout and stderr are those of the first client; 0 is /dev/null
    sys.stdout.flush()
    for stream in (1, 2):
        os.dup2(0, stream)
    gc.freeze()  # the collector would write to these objects, and so unshare their memory pages
    gc.enable()
    listener, owner = socket.socket(fileno=descriptor), psutil.Process(snakemake)
    arguments = Worker(listener, Path(folder), owner, cells).serve()
    if arguments is None:
        return 0
    return importlib.import_module("unlearning.__main__").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
