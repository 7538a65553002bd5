"""Resumable training state: what a killed run goes on from.

It lies outside the outputs of the stage, which Snakemake deletes with a failed job, and goes when
these are complete. The rows of a step follow from (seed, step), and no model here draws random
numbers while it trains (dropout is 0), so weights, optimizer, history and the objective's weights
are all there is: a resumed run equals an undisturbed one bit for bit on the CPU.
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
KEPT = 2
# frozen weights are those of the input: LoRA's base, all that RMU leaves
WHOLE = StateDictOptions(
    full_state_dict=True, cpu_offload=True, strict=False, ignore_frozen_params=True
)


class Stopped(UserError):
    """The run was asked to stop and can be resumed."""


class TrainingState:
    """The states of one run in `folder`: step=40/{weights,optimizer}.safetensors, progress.json
    and manifest.json, which holds the checksums and the run's identity.

    minutes: time between two states. identity: JSON-ready, all that determines the run; a state
    of another identity is passed over. From here to `remove`, SIGTERM and SIGUSR1 stop the run at
    its next step only.
    """

    def __init__(self, folder: Path, minutes: float, identity: dict, accelerator: Accelerator):
        self.folder, self.seconds, self.accelerator = Path(folder), 60 * minutes, accelerator
        text = json.dumps(identity, sort_keys=True, default=str)
        self.identity = hashlib.sha256(text.encode()).hexdigest()
        self.states: list[Path] = []  # states of this very run, oldest first
        self.received = 0  # the number of the signal that stops the run
        self.written = time.monotonic()
        self.before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def begin(self, scorer, optimizer, objective: Objective, history: History) -> int:
        """Take over the newest whole state, if there is one; returns the steps it has done."""
        self.run = scorer, optimizer, objective, history
        self.states = self._usable() if self.accelerator.is_main_process else []
        (newest,) = broadcast_object_list([self.states[-1] if self.states else None])
        if newest is None:
            return 0
        progress = read_json(newest / "progress.json")
        main, several = self.accelerator.is_main_process, self.accelerator.num_processes > 1
        options = replace(WHOLE, broadcast_from_rank0=several)
        weights = load_file(newest / "weights.safetensors") if main else {}
        set_model_state_dict(scorer, weights, options=options)
        saved = newest / "optimizer.safetensors"
        if isinstance(optimizer.optimizer, torch.optim.AdamW):
            _set_tensors(scorer, optimizer, load_file(saved) if main else {}, options)
        else:
            _set_in_place(scorer, optimizer, load_file(saved), progress["step"])
        objective.weights[:] = progress["weights"]
        vars(history).update(progress["history"])
        self.accelerator.print(f"resumed after step {progress['step']} from {newest}")
        return progress["step"]

    def after_step(self, done: int, steps: int) -> None:
        """Write a state where one is due or the run is asked to stop; then raises Stopped."""
        due = time.monotonic() - self.written >= self.seconds
        mine = torch.tensor([[self.received, due]], device=self.accelerator.device)
        stop_signal, due = (
            self.accelerator.gather(mine).amax(0).tolist()
        )  # the processes stop together
        if not (stop_signal or due):
            return
        problem = self._write(done)
        if stop_signal:
            name = signal.Signals(stop_signal).name
            outcome = problem or f"the state is in {self.folder}: run again to continue"
            raise Stopped(f"stopped by {name} after step {done} of {steps}; {outcome}")
        if problem:
            self.accelerator.print(f"training goes on without a new state: {problem}")

    def remove(self) -> None:
        """The outputs are complete: the states go, and signals act as before."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame) -> None:
        self.received = number

    def _write(self, done: int) -> str | None:
        """Write the state, by the main process; returns why it could not be written."""
        scorer, optimizer, objective, history = self.run
        weights = _unshared(get_model_state_dict(scorer, options=WHOLE))
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
                self._keep(path)
            except UserError as error:
                problem = str(error)
        self.written = time.monotonic()
        self.accelerator.wait_for_everyone()
        return problem

    def _keep(self, newest: Path) -> None:
        """Only the last states of this run stay."""
        self.states = [*(path for path in self.states if path != newest), newest][-KEPT:]
        for path in self.folder.iterdir():
            if path not in self.states:
                shutil.rmtree(path, ignore_errors=True)

    def _usable(self) -> list[Path]:
        """Whole states of this very run, oldest first; the log says what the others are."""
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


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor under one name only: safetensors stores no tied weights."""
    names = {(t.data_ptr(), t.shape): name for name, t in reversed(tensors.items())}
    return {name: tensors[name].contiguous() for name in sorted(names.values())}


def _tensors(scorer, optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors as parameter/quantity -> tensor. What its groups hold besides, the
    recipe and the step plan say again."""
    full_state = get_optimizer_state_dict(scorer, optimizer.optimizer, options=WHOLE)
    tensors = full_state.get("state", {})  # the main process alone is given it
    return {key: tensor.detach().cpu().contiguous() for key, tensor in _plain(tensors)}


def _plain(value, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The plain tensors in nested mappings, each with its path: a tensor that wraps others, as
    8-bit states do, is the tensors that it is made of."""
    if isinstance(value, Tensor) and hasattr(value, "__tensor_flatten__"):
        value = {part: getattr(value, part) for part in value.__tensor_flatten__()[0]}
    if isinstance(value, Mapping):
        for key in value:
            yield from _plain(value[key], f"{name}/{key}" if name else key)
    elif isinstance(value, Tensor):
        yield name, value


def _set_tensors(scorer, optimizer, tensors: dict[str, Tensor], options: StateDictOptions) -> None:
    """What _tensors() gave, from the main process to all."""
    fresh = get_optimizer_state_dict(scorer, optimizer.optimizer)
    state: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, quantity = key.rpartition("/")
        state.setdefault(name, {})[quantity] = tensor
    state_dict = {**fresh, "state": state} if tensors else {}
    set_optimizer_state_dict(scorer, optimizer.optimizer, state_dict, options=options)


def _set_in_place(scorer, optimizer, tensors: dict[str, Tensor], done: int) -> None:
    """The same for states that must stay where and what they are (8-bit, paged), after `done`
    steps; each process has read them."""
    fresh = get_optimizer_state_dict(scorer, optimizer.optimizer)
    for key, tensor in _plain(fresh["state"]):
        tensor.copy_(tensors[key])
    for quantities in optimizer.optimizer.state.values():
        if isinstance(quantities["step"], int):  # bitsandbytes counts in plain numbers
            quantities["step"] = done
