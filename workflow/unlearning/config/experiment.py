"""A validated experiment: its runs, its paths, and the settings each stage is given."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unlearning.assets.gguf import is_gguf
from unlearning.assets.needs import model_files, on_hub
from unlearning.benchmark import (
    OTHER_ANSWERS,
    WITHOUT_DATA,
    Benchmark,
    benchmark_of,
    module_name,
    room,
)
from unlearning.config.checks import cross_problems
from unlearning.config.draws import config_of_draw, draw_numbers, table_seed_keys
from unlearning.config.judged import assets_of
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
from unlearning.config.rehearsal import rehearsed
from unlearning.config.schema import ConfigError, schema_for, validated, with_defaults
from unlearning.data.task_files import list_task_files
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.references import RETRAIN, TARGET, noise
from unlearning.methods.registry import Losses, position, resolve
from unlearning.methods.terms import Method

RECIPE = (
    "epochs",
    "batch_size",
    "lr",
    "warmup_epochs",
    "schedule",
    "weight_decay",
    "clip_norm",
    "max_length",
    "optimizer",
    "lora",
    "max_steps",
    "warmup_steps",
    "weight_decay_on",
    "whole_batches",
)
FIT = ("micro_batch", "gradient_checkpointing")
HARNESS = ("limit", "num_fewshot", "chat_template")
EVALUATION = ("rows", "max_length", "generation_tokens", "generation_counts", "question", "rouge")
# role of a pair's row -> the answers that are not the truth which it holds
TAUGHT = {"idk": "refusals", "alternative": "alternatives"}
# recipe entries that a method may set for itself
OVERRIDES = ("epochs", "lr", "max_steps", "schedule")
OF_THE_RUN = (*OVERRIDES, "reference")  # what a method states beside its loss's own values


def experiment_of(config: dict):
    """The experiment of a complete, valid config."""
    for folder in WITHOUT_DATA:
        if folder in config:
            return room(folder, "experiment").BENCHMARK.experiment(config)
    return Experiment(config)


def load_experiment(config: dict, root: Path):
    """The experiment that `config` describes; ConfigError with all problems otherwise."""
    for folder in WITHOUT_DATA:
        if folder in config:
            return room(folder, "experiment").BENCHMARK.load(config)
    schema = schema_for(config, root)
    complete, problems = validated(config, schema)
    problems += cross_problems(complete, config.keys())
    if not problems and complete["rehearsal"]:
        complete = rehearsed(complete)
        complete = with_defaults(complete, schema_for(complete, root))
        problems = cross_problems(complete)
    if problems:
        raise ConfigError(problems, Experiment(complete))
    return Experiment(complete)


@dataclass(frozen=True)
class Experiment:
    """A complete, valid config and what follows from it, in one draw of what is random before
    unlearning. config: with the seeds of that draw."""

    config: dict
    draw: int = 1
    on_language_model = True

    @cached_property
    def draws(self) -> list["Experiment"]:
        """The experiment in each draw that is run. Ask the first draw, whose config states them."""
        return [self._in_draw(number) for number in draw_numbers(self.config)]

    def _in_draw(self, number: int) -> "Experiment":
        return self if number == 1 else Experiment(config_of_draw(self.config, number), number)

    @property
    def draws_tables(self) -> bool:
        """Whether each draw has tables of its own."""
        return bool(table_seed_keys(self.config))

    @property
    def layout(self) -> Layout:
        """Paths of its results."""
        name = self.config["experiment"]
        world = self.config["world"] or name
        return Layout(self.config["results"], name, world, self.draw, self.draws_tables)

    @property
    def benchmark(self) -> Benchmark:
        """What its benchmark answers."""
        return benchmark_of(self.config["data"]["source"])

    def code_of(self, *rooms: str) -> list[str]:
        """Code of its benchmark that a stage finds by name: rooms, or definitions in them."""
        return [module_name(self.benchmark.name, name) for name in rooms]

    @property
    def splits(self) -> list[str]:
        """Its forget splits, folds included."""
        return [*self.config["forget_splits"], *self.config["folds"]["splits"]]

    @property
    def tables(self) -> list[str]:
        """Splits whose tables its world holds: its own, and those of others in that world."""
        return self.config["world_splits"] or self.splits

    @property
    def own_splits(self) -> list[str]:
        """Splits with a target's and retrained models' evaluation; MUSE's folds share forget's."""
        return self.config["forget_splits"]

    @property
    def table_entries(self) -> list[str]:
        """What its settings look up in tables of the package: the other entries of these tables
        are no matter of its stages (fingerprint)."""
        return [f"unlearning.data.prompts:PROMPTS[{self.config['model']['prompt']}]"]

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

    def data_settings(self) -> dict:
        """What stage data is told: the data section without what names answers that are not the
        truth, which other jobs read."""
        return {k: v for k, v in self.config["data"].items() if k not in OTHER_ANSWERS.values()}

    def data_files(self) -> list[Path]:
        """Tables from outside that its world is made of."""
        return self.benchmark.data_files(self.config["data"], self.tables)

    def answers_settings(self, kind: str) -> dict:
        """What stage answers is told: the data section without the file of the other kinds."""
        settings = dict(self.config["data"])
        for name, key in OTHER_ANSWERS.items():
            if name != kind:
                settings.pop(key, None)
        return settings

    def answer_files(self, kind: str) -> list[Path]:
        """Files from outside that answers of a kind are made of."""
        return self.benchmark.answer_files(self.config["data"], kind)

    def tokenizer_answers(self) -> list[Path]:
        """Folders of the answers whose words the tokenizer of a model from random weights knows:
        all that there are."""
        return [self.layout.answers(k) for k in self.benchmark.other_answers(self.config["data"])]

    def training_answers(self, method: str, variant: str) -> list[Path]:
        """Folders of the answers that are not the truth which a run teaches."""
        roles = self.method(method, self.hyper(method, variant)).settings()["roles"]
        return [self.layout.answers(TAUGHT[role]) for role in roles if role in TAUGHT]

    def answers(self) -> set[Path]:
        """Folders of answers that are not the truth which any of its jobs reads."""
        folders = set(self.tokenizer_answers() if self.from_scratch else [])
        for cell in self.cells():
            folders.update(self.training_answers(cell.method, cell.variant))
        return folders

    def holdout_files(self, split: str) -> list[Path]:
        """The table of non-members from outside that models of a split are attacked with."""
        return self.benchmark.holdout_files(self.config, split)

    @property
    def metric_functions(self) -> list[str]:
        """The functions of metrics of the user's own."""
        return list(self.config["metrics"].values())

    def task_files(self) -> list[Path]:
        """Files from outside of its own harness tasks; the miniature of WMDP brings its tasks."""
        folder = self.config["harness"]["include_path"]
        return list_task_files(folder) if folder is not None else []

    def files_of_model(self, path: str) -> list[Path]:
        """The files of a model that lies outside; none of one that is made here or fetched."""
        named = [model.path for model in named_models(self.config).values()]
        outside = [Path(named_path) for named_path in named if named_path is not None]
        return model_files(Path(path)) if Path(path) in outside and not on_hub(path) else []

    def log_files(self, split: str) -> list[Path]:
        """The evaluation log from outside that a split's retrained model is known by; of a folder
        the files in it."""
        path = self.log_of(split, NAMED_RETRAINED)
        if path is None:
            return []
        log = Path(path)
        return sorted(f for f in log.iterdir() if f.is_file()) if log.is_dir() else [log]

    @property
    def assets(self) -> dict[str, dict]:
        """model, data, harness -> what rule fetch is told of each that comes from the hub."""
        return assets_of(self)

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
        """The target: the fine-tuned model, or one as it is; of the hub its record."""
        if self.config["target"] is not None:
            return Path(self._named(TARGET_ASSET))
        if self.fine_tunes:
            return self.layout.target(seed_of(self.target_run))
        if self.from_scratch or self.restored:
            return Path(self.base)
        return Path(self._named(MODEL))

    def _named(self, asset: str) -> str:
        """Where a model lies that the config names: its folder, or the record of rule fetch."""
        path = named_models(self.config)[asset].path
        assert path is not None, "only a base from random weights has none, and it is trained here"
        return str(self.layout.assets / f"{asset}.json") if on_hub(path) else path

    def model_of(self, split: str, run: str) -> str:
        """Model folder of a run, or where a model lies that is taken as it is."""
        if run == NAMED_RETRAINED:
            return self._named(retrained_asset(split))
        return str(self.target if run == self.target_run else self.layout.model(split, run))

    def log_of(self, split: str, run: str) -> str | None:
        """The evaluation log that stands for a run's model, where the config names one."""
        return self.config["retrained"][split]["log"] if run == NAMED_RETRAINED else None

    def log_splits(self) -> list[str]:
        """Forget splits whose retrained model is known by a log alone."""
        return [split for split, run in self.retrained() if self.log_of(split, run) is not None]

    @property
    def tasks(self) -> dict:
        """Harness tasks and the folder of task files."""
        return self.benchmark.tasks(self.config, self.layout.data)

    def retrain_runs(self) -> list[str]:
        """Run names of the retrained models; the first is the main reference."""
        if self.config["retrained"] is not None:
            return [NAMED_RETRAINED]
        return [f"retrain/seed={seed}" for seed in retrain_seeds(self.config)]

    def retrained(self) -> list[tuple[str, str]]:
        """(split, run) of every retrained model."""
        return [(split, run) for split in self.own_splits for run in self.retrain_runs()]

    @cached_property
    def losses(self) -> Losses:
        """The registry's forget losses and the config's own."""
        return own_methods(self.config["methods"])[0]

    @property
    def methods(self) -> list[str]:
        """Its methods, in the registry's order, the config's own last."""
        return sorted(self.config["methods"], key=lambda name: position(name, self.losses))

    def variants(self, method: str) -> list[dict[str, float | str]]:
        """The hyper-parameters that the config states, one dict for each point of the grid."""
        points = []
        for block in blocks(hyper_block(self.config["methods"][method])):
            points += grid(block)
        return points

    @cached_property
    def _hyper(self) -> dict[str, dict[str, dict[str, float | str]]]:
        """Method -> variant as paths spell it -> its hyper-parameters."""
        return {
            method: {path_id(hyper): hyper for hyper in self.variants(method)}
            for method in self.config["methods"]
        }

    def hyper(self, method: str, variant: str) -> dict[str, float | str]:
        """What the config states for the variant of that spelling."""
        return self._hyper[method][variant]

    def method(self, name: str, hyper: dict[str, float | str]) -> Method:
        """The method with its complete hyper-parameters; recipe overrides left out."""
        of_the_loss = {key: value for key, value in hyper.items() if key not in OF_THE_RUN}
        return resolve(name, of_the_loss, self.losses)

    def cells(self) -> list[UnlearnRun]:
        """Every unlearning run: splits x methods x variants x seeds, then those of the folds."""
        folds, seeds = self.config["folds"], self.config["unlearn"]["seeds"]
        later = [method for method in self.methods if method in folds["methods"]]
        cells = self._cells(self.config["forget_splits"], self.methods, seeds)
        return cells + self._cells(folds["splits"], later, folds["seeds"] or seeds)

    def _cells(self, splits: list[str], methods: list[str], seeds: list[int]) -> list[UnlearnRun]:
        cells = []
        for split, method in itertools.product(splits, methods):
            for hyper, seed in itertools.product(self.variants(method), seeds):
                values = tuple(hyper.items())
                cells.append(UnlearnRun(split, method, path_id(hyper), values, seed, self.draw))
        return cells

    def starts_from(self, split: str, run: str) -> Path:
        """Model that an unlearning run goes on from: the target, or its own run on the split
        before."""
        before = self.benchmark.split_before(split)
        return self.layout.model(before, run) if before else self.target

    def reference(self, split: str, run: str, replaced: str = TARGET) -> Path:
        """Scores of the forget rows under the model that a run goes on from, or under the one that
        its hyper-parameters name in its place."""
        if replaced != TARGET:
            return self.layout.reference(split, replaced)
        return self.layout.reference(split, run if self.benchmark.split_before(split) else None)

    def references(self) -> set[Path]:
        """The scores that its unlearning runs take."""
        return {
            self.reference(c.split, c.run, str(dict(c.hyper).get("reference", TARGET)))
            for c in self.cells()
        }

    def reference_model(self, split: str, reference: str) -> str:
        """Model folder or hub id of a reference that replaces the target; noise is added to it."""
        if reference == BASE:
            return self.base
        run = self.retrain_runs()[0] if reference == RETRAIN else self.target_run
        return self.model_of(split, run)

    @property
    def fractions(self) -> dict[str, float]:
        """Relearning attack as paths spell it -> the attacker's share of the forget set."""
        return attack_shares(self.config["relearn"])

    def attacks(self) -> list[tuple[UnlearnRun, str]]:
        """Every relearning run: attacked cells x attacks."""
        methods = self.config["relearn"]["methods"]
        cells = [cell for cell in self.cells() if cell.method in methods]
        return list(itertools.product(cells, self.fractions))

    def recipe(self, stage: str) -> dict:
        """The recipe of a stage: pretrain, finetune, unlearn or relearn."""
        recipe = {key: self.config[stage][key] for key in RECIPE}
        if recipe["weight_decay"] == 0:  # nothing decays, so which weights would changes no run
            del recipe["weight_decay_on"]
        return recipe

    def fit(self, stage: str) -> dict:
        """How a stage is laid out in memory: no setting, for it changes no result."""
        recipe = self.config.get(stage) or {}
        layout = {key: recipe[key] for key in FIT if key in recipe}
        return {**layout, "batch_tokens": self.config["evaluation"]["batch_tokens"]}

    def method_settings(self, method: str, variant: str, split: str | None = None) -> dict:
        """What an unlearning run is told: method, recipe, pairing, evaluated epochs (none on
        MUSE's folds, whose last epoch counts)."""
        fold = split in self.config["folds"]["splits"]
        trajectory = [] if fold else self.config["unlearn"]["trajectory"]
        hyper = self.hyper(method, variant)
        overrides = {key: hyper[key] for key in OVERRIDES if key in hyper}
        return {
            "method": self.method(method, hyper).settings(),
            "recipe": {**self.recipe("unlearn"), **overrides},
            "pairing": self.config["unlearn"]["pairing"],
            "anchor": self.config["unlearn"]["anchor"],
            "trajectory": trajectory,
            **self.common(),
            # without points on the way, how models are evaluated is no matter of unlearning
            **(self.evaluation() if trajectory else {}),
            **({"metrics": self.config["metrics"]} if trajectory else {}),
        }

    def pretrain_settings(self) -> dict:
        """What pre-training is told."""
        architecture = self.config["model"]["architecture"]
        return {"recipe": self.recipe("pretrain"), "architecture": architecture, **self.common()}

    def finetune_settings(self) -> dict:
        """What fine-tuning and retraining are told."""
        replayed = self.config["finetune"]["replay_rows"]
        return {"recipe": self.recipe("finetune"), "replay_rows": replayed, **self.common()}

    def reference_settings(self, reference: str = TARGET) -> dict:
        """What scoring the forget set is told: unlearning's own encoding, and noise if any."""
        settings = {"max_length": self.config["unlearn"]["max_length"], **self.common()}
        if (scale := noise(reference)) is not None:
            settings["noise"] = {"scale": scale, "seed": seed_of(self.target_run)}
        return settings

    def relearn_settings(self, attack: str) -> dict:
        """What an attack is told."""
        settings = {"recipe": self.recipe("relearn"), "fraction": self.fractions[attack]}
        return settings | self.common() | self.evaluation()

    def evaluate_settings(self) -> dict:
        """What evaluation is told. The variant is none of its business: rows serve every one."""
        settings = {**self.common(), **self.evaluation("membership", "min_k", "gradnorm")}
        settings["metrics"] = self.config["metrics"]
        if any(map(self.holdout_files, self.own_splits)):
            settings["columns"] = self.config["data"].get("columns", {})
        return settings

    def harness_settings(self) -> dict:
        """What evaluation on harness tasks is told; their prompts are the tasks' own."""
        settings = {key: self.config["harness"][key] for key in HARNESS}
        return {**self.tasks, **settings, "precision": self.config["model"]["precision"]}

    def common(self) -> dict:
        """What every stage that touches a model is told; only a chat template has a system text."""
        model = self.config["model"]
        settings = {key: model[key] for key in ("prompt", "precision")}
        return settings | ({"system": model["system"]} if model["prompt"] == "chat" else {})

    def evaluation(self, *more: str) -> dict:
        """What stages that evaluate are told besides."""
        section = self.config["evaluation"]
        settings = {key: section[key] for key in (*EVALUATION, *more)}
        return {"evaluation": {**settings, "benchmark": self.benchmark.name}}
