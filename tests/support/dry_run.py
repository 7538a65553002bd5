"""Dry runs from a warm process: what `snakemake --dry-run` says, without its start of seconds.

A server has Snakemake loaded. It forks a process for each project folder and content of the
package in it, which imports that package and computes the fingerprints of its stages. That process
forks a child for each request, and the child runs Snakemake's own command line, from the parsing of
arguments to the exit status, in the folder and environment of the request. An edited module is
another content: its process imports it anew, as a process of the command line does.

The server ends with its client; a server that dies or does not answer is an error.
"""

import atexit
import contextlib
import gc
import hashlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

# What Snakemake and the Snakefile load beside the package and takes longest.
LIBRARIES = ("snakemake.cli", "smart_open", "jsonschema", "scipy.stats")
PACKAGES = 4  # contents of packages that stay loaded


class DryRuns:
    """The client of one server, which the first request starts, and the first after its death."""

    def __init__(self) -> None:
        self.server: subprocess.Popen | None = None
        atexit.register(self.close)

    def start(self) -> subprocess.Popen:
        """A server in a process group of its own."""
        self.server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # a fork copies one thread only, so numeric libraries must start no other
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            start_new_session=True,
        )
        return self.server

    def run(
        self, folder: Path, environment: dict[str, str], arguments: list[str], timeout: float = 900
    ) -> subprocess.CompletedProcess:
        """Exit status and output, both streams in one, of `snakemake` with these arguments.

        Raises BrokenPipeError if the server dies, TimeoutError if it does not answer in `timeout`
        seconds; it and all that it forked are dead then.
        """
        request = {"folder": str(folder), "environment": environment, "arguments": arguments}
        with tempfile.NamedTemporaryFile("r", prefix="dry-run-", encoding="utf-8") as output:
            try:
                status = self._answer({**request, "output": output.name}, timeout)
            except OSError as error:
                self._kill()
                error.add_note(output.read())
                raise
            return subprocess.CompletedProcess(arguments, status, output.read())

    def close(self) -> None:
        """End the server; its processes end with it."""
        if self.server is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.communicate(timeout=10)
            self._kill()

    def _answer(self, request: dict, timeout: float) -> int:
        server = self.server or self.start()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"no dry run in {timeout} seconds")
        answer = server.stdout.readline()
        if not answer:
            raise BrokenPipeError("the server of dry runs died")
        return int(answer)

    def _kill(self) -> None:
        server, self.server = self.server, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):  # a request that was not sent
            server.stdin.close()
        server.stdout.close()
        server.wait()


def main() -> None:
    """The server; in processes that it forks, a package's process and one dry run."""
    gc.disable()  # also in the forked processes: they end before their garbage matters
    for library in LIBRARIES:
        importlib.import_module(library)
    cli = importlib.import_module("snakemake.cli")
    cli.get_argument_parser()  # loads the plugins
    gc.freeze()  # forked processes share these objects' pages
    requests = serve_packages()
    request = serve_runs(requests)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["snakemake", *request["arguments"]]
    try:
        cli.main()
    except SystemExit as end:
        # an interpreter's end less what follows, for that touches all pages shared with the server
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(end.code)


def serve_packages() -> TextIO:
    """Pass each request on to the process with its package, in the server, which ends here.

    In a package's process: the stream of its requests and answers.
    """
    running: dict[tuple[str, str], tuple[int, TextIO]] = {}
    for line in sys.stdin:
        folder = json.loads(line)["folder"]
        key = (folder, digest(Path(folder, "workflow")))
        if key not in running:
            if len(running) == PACKAGES:
                end(*running.pop(next(iter(running))))
            ours, theirs = socket.socketpair()
            process = os.fork()
            if process == 0:
                for _, stream in running.values():
                    stream.close()
                ours.close()
                redirect(os.devnull)
                load_package(Path(folder))
                return theirs.makefile("rw")
            theirs.close()
            running[key] = process, ours.makefile("rw")
            ours.close()  # when the stream is
        answer = ask(running[key][1], line)
        if not answer:
            sys.exit(f"the process with the package of {folder} died")
        print(answer, end="", flush=True)
    for process, stream in running.values():
        end(process, stream)
    sys.exit()


def ask(stream: TextIO, line: str) -> str:
    """The answer of a package's process; nothing if it died."""
    try:
        stream.write(line)
        stream.flush()
        return stream.readline()
    except OSError:
        return ""


def end(process: int, stream: TextIO) -> None:
    """Let a package's process end, and wait for it."""
    with contextlib.suppress(OSError):
        stream.close()
    os.waitpid(process, 0)


def digest(folder: Path) -> str:
    """Of the Python files in a folder, their names among it."""
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()


def load_package(folder: Path) -> None:
    """Import what the Snakefile does, and compute what it does for every run alike."""
    os.chdir(folder)
    sys.path[0] = str(folder / "workflow")  # was this file's folder
    importlib.import_module("snakemake.workflow").Workflow._rundir = str(folder)  # was the server's
    load_logger()
    with contextlib.suppress(Exception):  # the dry run says better what is wrong
        for module in ("config.preflight", "reporting.claims.file"):
            importlib.import_module(f"unlearning.{module}")
        fingerprint = importlib.import_module("unlearning.fingerprint").fingerprint
        for stage in ("evaluate", "report"):  # which reach most modules
            fingerprint(f"unlearning.stages.{stage}")
        parse_module = importlib.import_module("unlearning.code.module").parse_module
        for path in Path("workflow", "unlearning").resolve().rglob("*.py"):
            parse_module(path)
        Path(".snakemake").mkdir(exist_ok=True)  # else what was parsed is not kept
        importlib.import_module("unlearning.code.cache").save_cache()
    gc.freeze()


def load_logger() -> None:
    """Let Snakemake look for logger plugins anew: the package's folder holds one."""
    for name in [name for name in sys.modules if name.startswith("snakemake_logger_plugin_")]:
        del sys.modules[name]
    registry = importlib.import_module("snakemake_interface_logger_plugins.registry")
    registry.LoggerPluginRegistry._instance = None
    registry.LoggerPluginRegistry()


def serve_runs(requests: TextIO) -> dict:
    """Fork a child for each request and answer its exit status, in a package's process, which ends
    here. In each child: its request, with both output streams set."""
    for line in requests:
        child = os.fork()
        if child == 0:
            request = json.loads(line)
            redirect(request["output"])
            return request
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        requests.write(f"{status}\n")
        requests.flush()
    sys.exit()


def redirect(output: str) -> None:
    """Nothing to read, and both streams into one file."""
    for number, (name, mode) in enumerate([(os.devnull, os.O_RDONLY), (output, os.O_WRONLY)]):
        descriptor = os.open(name, mode | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.dup2(1, 2)


if __name__ == "__main__":
    main()
