"""Small transformers on mixtures of Markov chains: learnt, retrained, unlearned step by step.

Models, losses and training loop are those of the other experiments; states are token ids. Where
that differs from the released code is said in docs/synthetic.md.
"""

import copy

import numpy
import torch
from accelerate import Accelerator
from torch import Tensor

from unlearning.benchmarks.synthetic.chains import CHAINS, FIRST, draw_sets
from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import Likelihood
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sources import LearnSource, UnlearnSource

SCORED = 500  # sequences of one forward pass of the measurement


class MarkovStudy:
    """One study and seed: its sequences, the target and the retrained model.

    settings: synthetic.markov of the config, with `lengths` (chain -> length) and `learnt` (the
    chains that the target learns).
    """

    def __init__(self, settings: dict, seed: int, accelerator: Accelerator):
        self.settings, self.seed, self.accelerator = settings, seed, accelerator
        sets = draw_sets(settings, settings["lengths"], seed)
        self.train = {name: _examples(sets[name][0]) for name in CHAINS}
        self.test = {name: torch.from_numpy(sets[name][1]) + FIRST for name in CHAINS}
        self.target = self._learn([row for name in settings["learnt"] for row in self.train[name]])
        retrained = self._learn(self.train["retain"])
        self.expected = {name: self._predict(retrained, name) for name in CHAINS}

    def _fresh(self):
        """The transformer before training, the same for the target and the retrained model."""
        settings = self.settings
        shape = {**settings["model"], "context": max(settings["lengths"].values())}
        return build_model(shape, settings["states"] + FIRST, self.seed)

    def _learn(self, rows: list[Example]):
        model = self._fresh()
        recipe = _recipe(**self.settings["pretrain"])
        plan = StepPlan.of(recipe, len(rows))
        source = LearnSource(plan, self.seed, rows, [], 0)
        train(model, source, LEARN, plan, recipe, Fit(recipe.batch_size), self.accelerator)
        return model

    def _predict(self, model, name: str) -> Tensor:
        """(n, T - 1, V) log-probabilities of what follows each token of a chain's test set."""
        with torch.inference_mode():
            parts = self.test[name].to(self.accelerator.device).split(SCORED)
            return torch.cat([model(part[:, :-1]).logits.log_softmax(-1) for part in parts])

    def divergences(self, model) -> dict[str, float]:
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
        forget = [*self.train["forget1"], *self.train["forget2"]]
        retain = self.train["retain"]
        model = copy.deepcopy(self.target)
        if objective.needs.reference:
            scores = Likelihood(self.target)(forget)
            forget = [e.with_reference(s.nll) for e, s in zip(forget, scores, strict=True)]
        recipe = _recipe(1, settings["batch_size"], settings["lr"])
        plan = StepPlan(len(forget), recipe.batch_size, 1, 0, settings["iterations"], False)
        make = {"forget": forget.__getitem__, "retain": retain.__getitem__}
        make = {role: make[role] for role in objective.roles}
        source = UnlearnSource(plan, self.seed, "fresh", {"retain": len(retain)}, make)
        history = train(
            model,
            source,
            objective,
            plan,
            recipe,
            Fit(recipe.batch_size),
            self.accelerator,
            at_step=lambda done: {"step": done, **self.divergences(model)},
        )
        curves = {key: [point[key] for point in history.points] for key in ("step", *CHAINS)}
        return {"curves": curves, "collapsed": history.collapsed}


def divergence(expected: Tensor, found: Tensor) -> float:
    """Mean over positions of KL(expected ‖ found), both log-probabilities (..., V)."""
    return float((expected.exp() * (expected - found)).sum(-1).mean())


def _examples(states: numpy.ndarray) -> list[Example]:
    """Sequences with every token labelled but the first, which nothing predicts."""
    return [Example(tuple(row), 1) for row in (states + FIRST).tolist()]


def _recipe(epochs: float, batch_size: int, lr: float) -> Recipe:
    """AdamW at a constant rate without weight decay or clipping, as released. max_length cuts
    texts, of which there are none."""
    return Recipe(epochs, batch_size, lr, 0, "constant", 0.0, None, 0)
