"""Small transformers on mixtures of Markov chains: learnt, retrained, unlearned step by step.

Paper: SimNPO (arXiv 2410.07163) §5. Reference: synthetic/train.py and synthetic/unlearn.py in
OPTML-Group/Unlearn-Simple at ec7be0c, whose losses the method registry has. Token means run over
all tokens of a batch, as released.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.benchmarks.synthetic.chains import CHAINS, draw_sets
from unlearning.benchmarks.synthetic.decoder import Decoder
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.sequences import Batch, Sequences
from unlearning.progress import Progress
from unlearning.training.learning import LEARN
from unlearning.training.plan import generator

SCORED = 100  # sequences of one forward pass of the measurement: what stays in a cache
EPS = 1e-6  # of AdamW in transformers, which the release took; torch's is 1e-8


@dataclass(frozen=True)
class Rows:
    """n sequences. states: (n, T), padded with state 0 after a shorter one's end.
    labelled: (n, T - 1) whether the state after that place is the sequence's."""

    states: Tensor
    labelled: Tensor

    @classmethod
    def of(cls, states: Tensor, length: int) -> "Rows":
        """`states` (n, t), padded to `length` places."""
        padding = length - states.shape[1]
        labelled = torch.ones(len(states), states.shape[1] - 1, dtype=torch.bool)
        return cls(*(torch.nn.functional.pad(part, (0, padding)) for part in (states, labelled)))

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, index) -> "Rows":
        return Rows(self.states[index], self.labelled[index])


class MarkovStudy:
    """One study and seed: its sequences, the target and the retrained model.

    settings: synthetic.markov of the config, with `lengths` (chain -> length) and `learnt` (the
    chains that the target learns).
    """

    def __init__(self, settings: dict, seed: int):
        self.settings, self.seed = settings, seed
        self.length = max(settings["lengths"].values())
        sets = draw_sets(settings, settings["lengths"], seed)
        self.train = {name: self._rows(sets[name][0]) for name in CHAINS}
        self.test = {name: torch.from_numpy(sets[name][1]) for name in CHAINS}
        self.target = self._learn(settings["learnt"])
        retrained = self._learn(["retain"])
        self.expected = {name: self._predict(retrained, name) for name in CHAINS}

    def _rows(self, states) -> Rows:
        return Rows.of(torch.from_numpy(states), self.length)

    def _learn(self, chains: list[str]) -> Decoder:
        """The decoder after learning `chains`; every one starts from the same weights."""
        settings = self.settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = Decoder(settings["states"], self.length - 1, **settings["model"])
        recipe, rows = settings["pretrain"], _joined([self.train[name] for name in chains])
        optimizer = AdamW(model, recipe["lr"])
        progress = Progress(f"learning {', '.join(chains)}", recipe["epochs"])
        for epoch in range(recipe["epochs"]):
            order = generator(self.seed, "learn", epoch).permutation(len(rows))
            for part in torch.from_numpy(order).split(recipe["batch_size"]):
                batch = Batch(train=sequences(model, rows[part]), pool=True)
                optimizer.step(LEARN.total(LEARN.rows(batch)).mean())
            progress.update(epoch + 1)
        return model

    @torch.inference_mode()
    def _predict(self, model: Decoder, name: str) -> Tensor:
        """(n, T - 1, S) log-probabilities of what follows each state of a chain's test set."""
        parts = self.test[name].split(SCORED)
        return torch.cat([model(part[:, :-1]).log_softmax(-1) for part in parts])

    def divergences(self, model: Decoder) -> dict[str, float]:
        """Chain -> KL(retrained ‖ model) in nats per token on its test set."""
        return {
            name: divergence(self.expected[name], self._predict(model, name)) for name in CHAINS
        }

    def unlearn(self, method: str, hyper: dict[str, float]) -> dict:
        """The divergences after 0, 1, 2, ... steps on forget1 and forget2 together.

        Returns curves, lists `step` and one for each chain, and collapsed: where, if it did.
        """
        settings = self.settings["unlearn"]
        objective = build_objective(resolve(method, hyper).settings(), self.seed)
        model, points, collapsed = copy.deepcopy(self.target), [], None
        optimizer = AdamW(model, settings["lr"])
        batches = self._batches(objective, settings["batch_size"])
        for step in range(settings["iterations"] + 1):
            points.append({"step": step, **self.divergences(model)})
            if step < settings["iterations"]:
                batch = self._score(model, objective, next(batches))
                loss = objective.total(objective.rows(batch)).mean()
                if not loss.isfinite():
                    collapsed = {"step": step, "reason": f"loss {float(loss)}"}
                    break
                optimizer.step(loss)
        curves = {key: [point[key] for point in points] for key in ("step", *CHAINS)}
        return {"curves": curves, "collapsed": collapsed}

    def _batches(self, objective: Objective, size: int) -> Iterator[dict[str, Rows]]:
        """Role -> rows of each step. They run on from one pass over the rows into the next."""
        forget = _joined([self.train["forget1"], self.train["forget2"]])
        rows = {"forget": forget, "retain": self.train["retain"]}
        orders = {role: self._order(role, len(rows[role])) for role in objective.roles}
        while True:
            yield {
                role: rows[role][[next(order) for _ in range(size)]]
                for role, order in orders.items()
            }

    def _order(self, role: str, count: int) -> Iterator[int]:
        passes = 0
        while True:
            yield from generator(self.seed, "unlearn", role, passes).permutation(count).tolist()
            passes += 1

    def _score(self, model: Decoder, objective: Objective, rows: dict[str, Rows]) -> Batch:
        batch = Batch(pool=True)
        for role, part in rows.items():
            scored = sequences(model, part)
            if objective.needs.reference and role != "retain":
                with torch.no_grad():
                    scored.reference_nll = sequences(self.target, part).nll
            setattr(batch, role, scored)
        return batch


class AdamW:
    """AdamW of transformers without weight decay: a constant rate, and an eps that is added before
    the bias of the second moment is corrected, not after it as torch adds its own."""

    def __init__(self, model: Decoder, lr: float):
        self.inner = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        """One step against the gradient of `loss`."""
        self.inner.zero_grad()
        loss.backward()
        self.steps += 1
        for group in self.inner.param_groups:
            group["eps"] = EPS / math.sqrt(1 - group["betas"][1] ** self.steps)
        self.inner.step()


def sequences(model: Decoder, rows: Rows) -> Sequences:
    """The rows' labels as losses see them: every state but a sequence's first."""
    labels = rows.states[:, 1:]
    logp = model(rows.states[:, :-1]).log_softmax(-1).gather(2, labels[..., None])[..., 0]
    return Sequences(logp[rows.labelled], rows.labelled.nonzero()[:, 0], len(rows))


def divergence(expected: Tensor, found: Tensor) -> float:
    """Mean over positions of KL(expected ‖ found), both log-probabilities (..., S)."""
    return float((expected.exp() * (expected - found)).sum(-1).mean())


def _joined(parts: list[Rows]) -> Rows:
    states, labelled = [part.states for part in parts], [part.labelled for part in parts]
    return Rows(torch.cat(states), torch.cat(labelled))
