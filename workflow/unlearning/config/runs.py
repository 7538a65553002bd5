"""The runs of a validated experiment: which models are trained and evaluated, where they lie."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from unlearning.assets.gguf import is_gguf
from unlearning.assets.needs import on_hub
from unlearning.benchmark import Benchmark, benchmark_of
from unlearning.config.draws import config_of_draw, draw_numbers, table_seed_keys
from unlearning.config.layout import (
    BASE,
    NAMED_RETRAINED,
    NAMED_TARGET,
    Layout,
    UnlearnRun,
    attack_shares,
    blocks,
    grid,
    path_id,
    seed_of,
)
from unlearning.config.named import (
    MODEL,
    named_models,
    retrain_seeds,
    retrained_asset,
    trains_target,
    uses_base,
)
from unlearning.config.named import TARGET as TARGET_ASSET
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.references import RETRAIN, TARGET
from unlearning.methods.registry import Losses, position, resolve
from unlearning.methods.terms import AnyHyper, Choice, Hyper, Method

# keys of a recipe that a method may set for itself, and which values they take
OVERRIDES: dict[str, AnyHyper] = {
    "epochs": Hyper(0, above=0),
    "lr": Hyper(0, above=0),
    "max_steps": Hyper(0, at_least=1, integer=True),
    "schedule": Choice(("linear", "constant", "cosine"), "linear"),
}


@dataclass(frozen=True)
class Runs:
    """The runs that follow from a complete, valid config, in one draw.

    A draw is everything that is random before unlearning. config: with the seeds of this draw.
    """

    config: dict
    draw: int = 1

    @cached_property
    def draws(self) -> list[Self]:
        """The experiment in each draw that is run; only the first draw's config lists them all."""
        experiments = []
        for number in draw_numbers(self.config):
            if number == 1:
                experiments.append(self)
            else:
                experiments.append(type(self)(config_of_draw(self.config, number), number))
        return experiments

    @property
    def draws_tables(self) -> bool:
        """Whether each draw has tables of its own: true of generated worlds, which have seeds."""
        return bool(table_seed_keys(self.config))

    @property
    def layout(self) -> Layout:
        name = self.config["experiment"]
        world = self.config["world"] or name
        return Layout(self.config["results"], name, world, self.draw, self.draws_tables)

    @property
    def benchmark(self) -> Benchmark:
        return benchmark_of(self.config["data"]["source"])

    @property
    def splits(self) -> list[str]:
        """Its forget splits, folds included."""
        return [*self.config["forget_splits"], *self.config["folds"]["splits"]]

    @property
    def tables(self) -> list[str]:
        """Splits whose tables its world has: its own, and those of other experiments there."""
        return self.config["world_splits"] or self.splits

    @property
    def own_splits(self) -> list[str]:
        """Splits with evaluations of target and retrained models; MUSE's folds share forget's."""
        return self.config["forget_splits"]

    # --- base, target and retrained models ---

    @property
    def from_scratch(self) -> bool:
        """Whether the base model is pre-trained here."""
        return self.config["model"]["architecture"] is not None

    @property
    def restored(self) -> bool:
        """Whether the base model is restored from a GGUF file."""
        return is_gguf(self.config["model"]["path"]) and uses_base(self.config)

    @property
    def base(self) -> str:
        """Folder or hub id that fine-tuning starts from."""
        if self.from_scratch:
            return str(self.layout.base)
        return str(self.layout.restored) if self.restored else self.config["model"]["path"]

    @property
    def fine_tunes(self) -> bool:
        """Whether the target is fine-tuned here."""
        return trains_target(self.config)

    @property
    def retrains(self) -> bool:
        """Whether models are retrained here."""
        return bool(retrain_seeds(self.config))

    @property
    def target_run(self) -> str:
        """Run name of the target model."""
        if self.config["target"] is not None:
            return NAMED_TARGET
        return f"finetune/seed={self.config['finetune']['seed']}" if self.fine_tunes else BASE

    @property
    def target(self) -> Path:
        """The target: a fine-tuned model, the base or a model that the config names.

        A folder; for a model from the hub the record that rule fetch writes of it.
        """
        if self.config["target"] is not None:
            return Path(self._named(TARGET_ASSET))
        # all splits have one target, which knows the rows of every one
        if self.fine_tunes:
            return self.layout.target(seed_of(self.target_run))
        if self.from_scratch or self.restored:
            return Path(self.base)
        return Path(self._named(MODEL))

    def _named(self, asset: str) -> str:
        """Folder of a model that the config names; from the hub, the record of rule fetch."""
        path = named_models(self.config)[asset].path
        assert path is not None, "a base from random weights has no path"
        return str(self.layout.assets / f"{asset}.json") if on_hub(path) else path

    def model_of(self, split: str, run: str) -> str:
        """Model folder of a run, or of the model that the config names in its place."""
        if run == NAMED_RETRAINED:
            return self._named(retrained_asset(split))
        return str(self.target if run == self.target_run else self.layout.model(split, run))

    def log_of(self, split: str, run: str) -> str | None:
        """The evaluation log that replaces a retrained model, if the config names one."""
        return self.config["retrained"][split]["log"] if run == NAMED_RETRAINED else None

    def log_splits(self) -> list[str]:
        """Forget splits with an evaluation log in place of a retrained model."""
        return [split for split, run in self.retrained() if self.log_of(split, run) is not None]

    def retrain_runs(self) -> list[str]:
        """Run names of the retrained models; the first is the main reference."""
        if self.config["retrained"] is not None:
            return [NAMED_RETRAINED]
        return [f"retrain/seed={seed}" for seed in retrain_seeds(self.config)]

    def retrained(self) -> list[tuple[str, str]]:
        """(split, run) of every retrained model."""
        return list(itertools.product(self.own_splits, self.retrain_runs()))

    # --- methods and unlearning runs ---

    @cached_property
    def losses(self) -> Losses:
        """The registry's forget losses and the config's own."""
        return own_methods(self.config["methods"])[0]

    @property
    def methods(self) -> list[str]:
        """Its methods, in the registry's order, the config's own last."""
        return sorted(self.config["methods"], key=lambda name: position(name, self.losses))

    def variants(self, method: str) -> list[dict[str, float | str]]:
        """The hyper-parameters in the config, one dict for each point of the method's grids."""
        points = []
        for block in blocks(hyper_block(self.config["methods"][method])):
            points += grid(block)
        return points

    # Rules look a variant up by its path for every job; expanding the grids each time would take
    # seconds in large experiments.
    @cached_property
    def _hyper(self) -> dict[str, dict[str, dict[str, float | str]]]:
        """Method -> variant as in paths (such as beta=0.1) -> its hyper-parameters."""
        tables = {}
        for method in self.config["methods"]:
            tables[method] = {path_id(hyper): hyper for hyper in self.variants(method)}
        return tables

    def hyper(self, method: str, variant: str) -> dict[str, float | str]:
        """The hyper-parameters in the config of a variant, which is spelled as in paths."""
        return self._hyper[method][variant]

    def method(self, name: str, hyper: dict[str, float | str]) -> Method:
        """The method with its loss's hyper-parameters, complete with the published defaults."""
        # these belong to the run: its recipe, and which scores it is compared with
        of_the_run = (*OVERRIDES, "reference")
        of_the_loss = {key: value for key, value in hyper.items() if key not in of_the_run}
        return resolve(name, of_the_loss, self.losses)

    def cells(self) -> list[UnlearnRun]:
        """Every unlearning run: splits x methods x variants x seeds, then those of the folds."""
        folds, seeds = self.config["folds"], self.config["unlearn"]["seeds"]
        fold_methods = [method for method in self.methods if method in folds["methods"]]
        cells = self._cells(self.config["forget_splits"], self.methods, seeds)
        return cells + self._cells(folds["splits"], fold_methods, folds["seeds"] or seeds)

    def _cells(self, splits: list[str], methods: list[str], seeds: list[int]) -> list[UnlearnRun]:
        cells = []
        for split, method in itertools.product(splits, methods):
            for hyper, seed in itertools.product(self.variants(method), seeds):
                values = tuple(hyper.items())
                cells.append(UnlearnRun(split, method, path_id(hyper), values, seed, self.draw))
        return cells

    def starts_from(self, split: str, run: str) -> Path:
        """The model that an unlearning run trains: the target, or for a later request of MUSE the
        model of the same run on the request before."""
        before = self.benchmark.split_before(split)
        return self.layout.model(before, run) if before else self.target

    def reference(self, split: str, run: str, replaced: str = TARGET) -> Path:
        """Path of a run's reference scores: those of the forget rows under the model that it starts
        from, or under the one that its hyper-parameter `reference` names (`replaced`)."""
        if replaced != TARGET:
            return self.layout.reference(split, replaced)
        # all runs that start from the target share its scores; a later request's start is its own
        return self.layout.reference(split, run if self.benchmark.split_before(split) else None)

    def references(self) -> set[Path]:
        """Paths of the reference scores of all unlearning runs."""
        paths = set()
        # a set, for all seeds and most variants share one file of scores
        for cell in self.cells():
            replaced = str(dict(cell.hyper).get("reference", TARGET))
            paths.add(self.reference(cell.split, cell.run, replaced))
        return paths

    def reference_model(self, split: str, reference: str) -> str:
        """Model folder or hub id of a reference that replaces the target.

        For a noisy reference it is the target's, to which stage reference adds the noise.
        """
        if reference == BASE:
            return self.base
        # the first retrained seed is the main baseline; the others measure its spread
        run = self.retrain_runs()[0] if reference == RETRAIN else self.target_run
        return self.model_of(split, run)

    @property
    def fractions(self) -> dict[str, float]:
        """Relearning attack as in paths -> the attacker's share of the forget set."""
        return attack_shares(self.config["relearn"])

    def attacks(self) -> list[tuple[UnlearnRun, str]]:
        """Every relearning run: attacked cells x attacks."""
        methods = self.config["relearn"]["methods"]
        cells = [cell for cell in self.cells() if cell.method in methods]
        return list(itertools.product(cells, self.fractions))
