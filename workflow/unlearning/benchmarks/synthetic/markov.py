"""SimNPO's study of Markov chains: train small transformers on mixtures of chains and unlearn two.

Paper: SimNPO (arXiv 2410.07163) §5. Reference: synthetic/train.py and synthetic/unlearn.py in
OPTML-Group/Unlearn-Simple at ec7be0c, whose losses are those of the method registry. Token means
are over all tokens of a batch, as released.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import pad

from unlearning.benchmarks.synthetic.chains import CHAINS, draw_sets
from unlearning.benchmarks.synthetic.decoder import Decoder
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.sequences import Batch, Sequences
from unlearning.progress import Progress
from unlearning.training.learning import LEARN
from unlearning.training.plan import generator

MEASURED = 100  # sequences of one forward pass that measures: their logits fit into the cache
EPS = 1e-6  # of AdamW in transformers, which the released code uses; torch's is 1e-8


@dataclass(frozen=True)
class Rows:
    """n sequences of states.

    states: (n, T), padded with state 0. labelled: (n, T - 1), False where padding follows.
    """

    states: Tensor
    labelled: Tensor

    @classmethod
    def of(cls, states: Tensor, length: int) -> "Rows":
        """Rows of sequences (n, t), padded to `length`."""
        padding = (0, length - states.shape[1])  # at the end, which causal attention never sees
        labelled = torch.ones(len(states), states.shape[1] - 1, dtype=torch.bool)
        return cls(pad(states, padding), pad(labelled, padding))

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, index) -> "Rows":
        return Rows(self.states[index], self.labelled[index])


class MarkovStudy:
    """Sequences, target and retrained model of one setting and seed.

    settings: synthetic.markov of the config, with `lengths` (chain -> length) and `learnt` (the
    chains that the target learns).
    """

    def __init__(self, settings: dict, seed: int):
        self.settings = settings
        self.seed = seed
        self.length = max(settings["lengths"].values())
        self.train, self.test = {}, {}
        for name, (train, test) in draw_sets(settings, settings["lengths"], seed).items():
            self.train[name] = Rows.of(torch.from_numpy(train), self.length)
            self.test[name] = torch.from_numpy(test)
        self.target = self._learn(settings["learnt"])
        retrained = self._learn(["retain"])
        self.retrained_logp = {name: self._predict(retrained, name) for name in CHAINS}

    def _learn(self, chains: list[str]) -> Decoder:
        """A decoder trained on `chains`. All decoders start from the same weights."""
        settings = self.settings
        # Seeded here and restored, so that no run depends on those before it in the job.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = Decoder(settings["states"], self.length - 1, **settings["model"])
        recipe = settings["pretrain"]
        rows = _concatenate([self.train[name] for name in chains])
        # Each epoch is one pass in a random order that follows from the seed.
        optimizer = AdamW(model, recipe["lr"])
        progress = Progress(f"learning {', '.join(chains)}", recipe["epochs"])
        for epoch in range(recipe["epochs"]):
            order = generator(self.seed, "learn", epoch).permutation(len(rows))
            for indices in torch.from_numpy(order).split(recipe["batch_size"]):
                # pool: a mean over the tokens of the batch, as released
                batch = Batch(train=sequences(model, rows[indices]), pool=True)
                optimizer.step(LEARN.total(LEARN.rows(batch)).mean())
            progress.update(epoch + 1)
        return model

    @torch.inference_mode()
    def _predict(self, model: Decoder, name: str) -> Tensor:
        """(n, T - 1, S) log-probabilities of the next state, for each state of a chain's test
        set."""
        parts = self.test[name].split(MEASURED)
        return torch.cat([model(part[:, :-1]).log_softmax(-1) for part in parts])

    def divergences(self, model: Decoder) -> dict[str, float]:
        """Chain -> KL(retrained ‖ model) in nats per token on its test set."""
        divergences = {}
        for name, expected in self.retrained_logp.items():
            divergences[name] = divergence(expected, self._predict(model, name))
        return divergences

    def unlearn(self, method: str, hyper: dict[str, float]) -> dict:
        """Unlearn forget1 and forget2 together; divergences after 0, 1, 2, ... steps.

        Returns curves (lists `step` and one for each chain) and collapsed (step and reason, or
        None).
        """
        settings = self.settings["unlearn"]
        objective = build_objective(resolve(method, hyper).settings(), self.seed)
        model = copy.deepcopy(self.target)  # later methods of the job start from it, too
        optimizer = AdamW(model, settings["lr"])
        points, collapsed = [], None
        # Every method with these roles sees the same batches: their order follows from the seed.
        batches = self._batches(objective, settings["batch_size"])
        for step in range(settings["iterations"] + 1):
            points.append({"step": step, **self.divergences(model)})
            if step < settings["iterations"]:
                batch = self._score(model, objective, next(batches))
                loss = objective.total(objective.rows(batch)).mean()
                # A collapse ends the run before the weights are changed; the curves so far count.
                if not loss.isfinite():
                    collapsed = {"step": step, "reason": f"loss {float(loss)}"}
                    break
                optimizer.step(loss)
        curves = {}
        for key in ("step", *CHAINS):
            curves[key] = [point[key] for point in points]
        return {"curves": curves, "collapsed": collapsed}

    def _batches(self, objective: Objective, size: int) -> Iterator[dict[str, Rows]]:
        """Role -> rows of each step. A batch may hold the end of a pass and the start of the
        next."""
        forget = _concatenate([self.train["forget1"], self.train["forget2"]])
        rows = {"forget": forget, "retain": self.train["retain"]}
        orders = {role: self._order(role, len(rows[role])) for role in objective.roles}
        while True:
            batch = {}
            for role, order in orders.items():
                batch[role] = rows[role][list(islice(order, size))]
            yield batch

    def _order(self, role: str, count: int) -> Iterator[int]:
        """Indices of a role's rows, without end: each pass is a new permutation."""
        passes = 0
        while True:
            yield from generator(self.seed, "unlearn", role, passes).permutation(count).tolist()
            passes += 1

    def _score(self, model: Decoder, objective: Objective, rows: dict[str, Rows]) -> Batch:
        """The batch of a step as losses see it."""
        batch = Batch(pool=True)
        for role, role_rows in rows.items():
            scores = sequences(model, role_rows)
            # No retain loss of this study compares with the reference.
            if objective.needs.reference and role != "retain":
                with torch.no_grad():
                    scores.reference_nll = sequences(self.target, role_rows).nll
            setattr(batch, role, scores)
        return batch


class AdamW:
    """AdamW as in transformers, with a constant learning rate and no weight decay.

    transformers adds eps before it corrects the bias of the second moment, torch afterwards.
    """

    def __init__(self, model: Decoder, lr: float):
        self.inner = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        """One step against the gradient of `loss`."""
        self.inner.zero_grad()
        loss.backward()
        self.steps += 1
        # Divided by the square root of the correction, torch's eps has the effect of transformers'.
        for group in self.inner.param_groups:
            group["eps"] = EPS / math.sqrt(1 - group["betas"][1] ** self.steps)
        self.inner.step()


def sequences(model: Decoder, rows: Rows) -> Sequences:
    """Log-probabilities of the rows' labels: all states but the first of each sequence."""
    labels = rows.states[:, 1:]  # (n, T - 1)
    logp = model(rows.states[:, :-1]).log_softmax(-1).gather(2, labels[..., None])[..., 0]
    # ragged: the labels of all rows one after the other, with the row of each
    return Sequences(logp[rows.labelled], rows.labelled.nonzero()[:, 0], len(rows))


def divergence(expected: Tensor, predicted: Tensor) -> float:
    """Mean over positions of KL(expected ‖ predicted), both log-probabilities (..., S)."""
    return float((expected.exp() * (expected - predicted)).sum(-1).mean())


def _concatenate(parts: list[Rows]) -> Rows:
    states = torch.cat([part.states for part in parts])
    return Rows(states, torch.cat([part.labelled for part in parts]))
