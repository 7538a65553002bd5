"""`python -m unlearning STAGE ...`: what each rule's shell line calls, and tools for logs."""

import argparse
import gc
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

from unlearning.devices import claim_gpus
from unlearning.errors import UserError
from unlearning.worker import run_in_worker

# the shared stages, in the order of a run, then tools
STAGES = (
    *("fetch", "judge", "data", "answers", "pretrain", "restore", "finetune", "reference"),
    *("unlearn", "relearn", "evaluate", "harness", "report"),
    *("compare", "plan", "assets", "doctor"),
)
ON_DEVICES = ("pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate", "harness")


def modules() -> dict[str, str]:
    """Stage -> its module: the shared stages, then those in the benchmarks' folders `stages`."""
    modules = {name: f"{__package__}.stages.{name}" for name in STAGES}
    for path in sorted(Path(__file__).parent.glob("benchmarks/*/stages/[a-z]*.py")):
        benchmark = path.parents[1].name
        modules[path.stem] = f"{__package__}.benchmarks.{benchmark}.stages.{path.stem}"
    return modules


def load(path: str) -> ModuleType:
    """A stage's module."""
    if path not in sys.modules:
        # Imports create many objects and no garbage. Collections meanwhile, and of these objects at
        # the end of the process, took a quarter of the start of a stage with torch.
        gc.disable()
        importlib.import_module(path)
        gc.freeze()
        gc.enable()
    return sys.modules[path]


def summary_of(module: str) -> str:
    """The first line of a module's docstring; the module is not imported."""
    path = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
    with path.open(encoding="utf-8") as file:
        return file.readline().strip('".\n')


# All options are set, so that the user's accelerate config has no effect; with port 0 several jobs
# that start on one node choose different ports.
LAUNCH = "accelerate.commands.launch --multi_gpu --num_machines 1 --mixed_precision no"
LAUNCH += " --dynamo_backend no --main_process_port 0 --num_processes"
# options of torchrun: pass SLURM's warning signal on, and leave time to write the state
TORCHRUN = {"PET_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"}
TORCHRUN["PET_SHUTDOWN_TIMEOUT"] = "120"

FROM_CONFIG = ("split", "splits", "retain")  # arguments that --config can fill in, not --settings
OUT_OF_MEMORY = "`make plan` says what each stage takes at its peak and which settings take less"


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; returns exit status 1 after an error that the user can mend."""
    try:
        _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's own; torch is not imported here
            raise
        print(f"error: {error}\n{OUT_OF_MEMORY}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: list[str]) -> None:
    launcher = argparse.ArgumentParser(add_help=False)
    launcher.add_argument(
        "--processes",
        type=int,
        default=1,
        help="one for each GPU, several of them by accelerate; 0 for one on the CPU",
    )
    launcher.add_argument(
        "--sharding",
        choices=["replicate", "shard"],
        default="replicate",
        help="with several processes, whether each trains a whole model or holds a share of it",
    )
    # before any import that may ask the driver for its GPUs
    if not set(ON_DEVICES).isdisjoint(arguments[:5]):
        claim_gpus(launcher.parse_known_args(arguments)[0].processes)
    parser = argparse.ArgumentParser(
        prog="python -m unlearning", description=__doc__, parents=[launcher]
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    # Only the stage that runs is imported, for torch takes seconds. Its name is among the first
    # words, but so may be that of another one, such as a folder called "report".
    paths = modules()
    for name, path in paths.items():
        summary = summary_of(path)
        stage = stages.add_parser(name, help=summary, description=summary)
        if name in arguments[:5]:
            load(path).add_arguments(stage)
    parsed = parser.parse_args(arguments)
    takes_settings = "settings" in parsed  # tools such as doctor take none
    by_hand = takes_settings and parsed.settings is None
    for name in FROM_CONFIG if takes_settings and not by_hand else ():
        if getattr(parsed, name, "") is None:
            parser.error(f"--{name} is required beside --settings; --config FILE would say it")
    # for several processes accelerate replaces this process and starts the stage in each
    if parsed.processes > 1:
        launch = [*LAUNCH.split(), str(parsed.processes), "-m", "unlearning"]
        stage_words = arguments[arguments.index(parsed.stage) :]
        command = [sys.executable, "-m", *launch, "--sharding", parsed.sharding, *stage_words]
        # in this process's place, so that signals and the exit status are the launcher's
        os.execve(sys.executable, command, {**os.environ, **TORCHRUN})
    if by_hand:  # imported by name, so that an edit of by_hand reruns no rule
        importlib.import_module("unlearning.by_hand").complete(parsed)
    load(paths[parsed.stage]).run(parsed)


if __name__ == "__main__":
    status = run_in_worker(sys.argv[1:])
    sys.exit(main() if status is None else status)
