"""Save the state of a training run, so that a killed run resumes.

The state lies outside the stage's outputs, which Snakemake deletes when a job fails, and is removed
once these are complete. The rows of a step follow from (seed, step), and no model here draws random
numbers while it trains (dropout is 0). So weights, optimizer, history and the objective's weights
are the whole state: a resumed run equals an uninterrupted one, on the CPU bit for bit.
"""

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from unlearning.errors import UserError
from unlearning.files import new_folder, read_json, sha256, write_json
from unlearning.methods.objective import Objective
from unlearning.training.history import History

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # the end of a SLURM job, and its early warning
STATES = 2  # of a run on disk: if the newest is damaged, the one before serves
# Frozen weights (LoRA's base, those that RMU does not train) are read from the stage's input again.
FULL_TRAINED_STATE = StateDictOptions(
    full_state_dict=True, cpu_offload=True, strict=False, ignore_frozen_params=True
)


class Stopped(UserError):
    """The run was asked to stop and can be resumed."""


class TrainingState:
    """The states of one run in `folder`: step=40/{weights,optimizer}.safetensors, progress.json
    and manifest.json, which holds the checksums and the run's identity.

    minutes: time between two states. identity: JSON-ready, all that determines the run; a state
    with another identity is not used. Until `remove` is called, SIGTERM and SIGUSR1 do not end the
    process: the run stops after its current step, with a state.
    """

    def __init__(self, folder: Path, minutes: float, identity: dict, accelerator: Accelerator):
        self.folder, self.seconds, self.accelerator = Path(folder), 60 * minutes, accelerator
        # a name of the run would not do: settings, code or inputs may have changed under it
        text = json.dumps(identity, sort_keys=True, default=str)
        self.identity = hashlib.sha256(text.encode()).hexdigest()
        self.states: list[Path] = []  # states with this identity, oldest first
        self.stop_signal = 0  # number of the last signal received
        self.write_time = time.monotonic()
        self.old_handlers = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def begin(self, scorer, optimizer, objective: Objective, history: History) -> int:
        """Load the newest undamaged state, if there is one; returns the steps it has done.

        Changes all four arguments in place, on every process.
        """
        self.run = scorer, optimizer, objective, history
        # only the main process reads the folder, so that all resume from the same state
        self.states = self._usable() if self.accelerator.is_main_process else []
        (newest,) = broadcast_object_list([self.states[-1] if self.states else None])
        if newest is None:
            return 0
        progress = read_json(newest / "progress.json")
        main, several = self.accelerator.is_main_process, self.accelerator.num_processes > 1
        # with several processes torch sends the main one's tensors, or shares of them, to the rest
        options = replace(FULL_TRAINED_STATE, broadcast_from_rank0=several)
        weights = load_file(newest / "weights.safetensors") if main else {}
        set_model_state_dict(scorer, weights, options=options)
        optimizer_file = newest / "optimizer.safetensors"
        # torch can set the states of its own optimizer; others keep theirs where they are
        if isinstance(optimizer.optimizer, torch.optim.AdamW):
            tensors = load_file(optimizer_file) if main else {}
            _set_tensors(scorer, optimizer, tensors, options)
        else:
            _copy_tensors(scorer, optimizer, load_file(optimizer_file), progress["step"])
        objective.weights[:] = progress["weights"]
        vars(history).update(progress["history"])
        self.accelerator.print(f"resumed after step {progress['step']} from {newest}")
        return progress["step"]

    def after_step(self, done: int, steps: int) -> None:
        """Write a state if it is time or a signal has come; raises Stopped after a signal."""
        due = time.monotonic() - self.write_time >= self.seconds
        # One process may have got the signal, but all must stop at the same step.
        flags = torch.tensor([[self.stop_signal, due]], device=self.accelerator.device)
        stop_signal, due = self.accelerator.gather(flags).amax(0).tolist()
        if not (stop_signal or due):
            return
        problem = self._write(done)
        # An unwritten state costs time after a kill; it is no reason to end a run that goes on.
        if stop_signal:
            name = signal.Signals(stop_signal).name
            outcome = problem or f"the state is in {self.folder}: run again to continue"
            raise Stopped(f"stopped by {name} after step {done} of {steps}; {outcome}")
        if problem:
            self.accelerator.print(f"training goes on without a new state: {problem}")

    def remove(self) -> None:
        """Remove the states, because the outputs are complete, and restore the signal handlers."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)
        for number, handler in self.old_handlers.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame) -> None:
        """Handle a signal: remember it until the current step is done."""
        self.stop_signal = number

    def _write(self, done: int) -> str | None:
        """Write the state after `done` steps; returns why it could not be written, or None."""
        scorer, optimizer, objective, history = self.run
        # shares are gathered by all processes, and written by the main one
        weights = _without_tied(get_model_state_dict(scorer, options=FULL_TRAINED_STATE))
        tensors = _tensors(scorer, optimizer)
        problem = None
        if self.accelerator.is_main_process:
            path = self.folder / f"step={done}"
            progress = {"step": done, "weights": objective.weights, "history": asdict(history)}
            try:
                with new_folder(path) as folder:
                    save_file(weights, folder / "weights.safetensors")
                    save_file(tensors, folder / "optimizer.safetensors")
                    write_json(folder / "progress.json", progress)
                    files = {file.name: sha256(file) for file in folder.iterdir()}
                    manifest = {"identity": self.identity, "files": files}
                    write_json(folder / "manifest.json", manifest)
                self._remove_older(path)
            except UserError as error:
                problem = str(error)
        self.write_time = time.monotonic()
        self.accelerator.wait_for_everyone()
        return problem

    def _remove_older(self, newest: Path) -> None:
        """Remove all but the last states, and those of other runs in this folder."""
        earlier = [path for path in self.states if path != newest]
        self.states = [*earlier, newest][-STATES:]
        for path in self.folder.iterdir():
            if path not in self.states:
                shutil.rmtree(path, ignore_errors=True)

    def _usable(self) -> list[Path]:
        """Undamaged states of this run, oldest first; the log says why others are not used."""
        # by number, for by name step=9 comes after step=10
        folders = sorted(self.folder.glob("step=*"), key=lambda path: int(path.name[5:]))
        usable = []
        for path in folders:
            problem = self._problem(path)
            if problem is None:
                usable.append(path)
            else:
                print(f"{path} {problem}: passed over", flush=True)
        return usable

    def _problem(self, path: Path) -> str | None:
        """Why a state cannot be used, or None: of another run, or damaged."""
        try:
            manifest = read_json(path / "manifest.json")
            if manifest["identity"] != self.identity:
                return "is of a run with other settings, inputs or code"
            for name, digest in manifest["files"].items():
                if sha256(path / name) != digest:
                    return f"is damaged: {name} has another checksum"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"is damaged: {error}"
        return None


def _without_tied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor under its first name only, because safetensors refuses tied weights."""
    # by shape too: a view of a tensor's beginning has its address
    names: dict[tuple, str] = {}  # address and shape of the data -> name
    for name, tensor in tensors.items():
        names.setdefault((tensor.data_ptr(), tensor.shape), name)
    return {name: tensors[name].contiguous() for name in sorted(names.values())}


def _tensors(scorer, optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors, as parameter/quantity -> tensor; empty except on the main process.

    Its groups' settings are not saved: they follow from the recipe and the step plan.
    """
    full_state = get_optimizer_state_dict(scorer, optimizer.optimizer, options=FULL_TRAINED_STATE)
    tensors = full_state.get("state", {})
    return {key: tensor.detach().cpu().contiguous() for key, tensor in _plain_tensors(tensors)}


def _plain_tensors(value, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The plain tensors in nested mappings, each with its path as its name.

    A tensor that wraps others, as 8-bit states do, is taken apart: safetensors stores only plain
    ones.
    """
    if isinstance(value, Tensor) and hasattr(value, "__tensor_flatten__"):
        value = {part: getattr(value, part) for part in value.__tensor_flatten__()[0]}
    if isinstance(value, Mapping):
        for key in value:
            yield from _plain_tensors(value[key], f"{name}/{key}" if name else key)
    elif isinstance(value, Tensor):
        yield name, value


def _set_tensors(scorer, optimizer, tensors: dict[str, Tensor], options: StateDictOptions) -> None:
    """Set the optimizer's states to those that _tensors() returned on the main process.

    tensors: empty on the other processes, which get theirs from the main one.
    """
    # settings of the groups, which were not saved
    fresh = get_optimizer_state_dict(scorer, optimizer.optimizer)
    state: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, quantity = key.rpartition("/")
        state.setdefault(name, {})[quantity] = tensor
    state_dict = {**fresh, "state": state} if tensors else {}
    set_optimizer_state_dict(scorer, optimizer.optimizer, state_dict, options=options)


def _copy_tensors(scorer, optimizer, tensors: dict[str, Tensor], done: int) -> None:
    """Copy tensors into the optimizer's own states, for 8-bit and paged optimizers.

    Such states must remain the same objects, in the same memory. Every process has read `tensors`.
    done: steps before the state was written.
    """
    fresh = get_optimizer_state_dict(scorer, optimizer.optimizer)
    for key, tensor in _plain_tensors(fresh["state"]):
        tensor.copy_(tensors[key])
    for quantities in optimizer.optimizer.state.values():
        if isinstance(quantities["step"], int):  # bitsandbytes counts in plain numbers
            quantities["step"] = done
