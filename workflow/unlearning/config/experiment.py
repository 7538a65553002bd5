"""A validated experiment: its runs, its paths, and the settings of each stage.

A stage's settings are a param of its rule (as JSON), so a job runs again if they change. Each of
the *_settings() methods therefore has exactly the config's values that change the stage's result.
"""

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

# keys of a training section that change the trained model
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
# keys of a training section that change only memory and time
FIT = ("micro_batch", "gradient_checkpointing")
# keys of the sections `harness` and `evaluation` that change results
HARNESS = ("limit", "num_fewshot", "chat_template")
EVALUATION = ("rows", "max_length", "generation_tokens", "generation_counts", "question", "rouge")
# role of a pair's row, if its answer is not the true one -> kind of its answers
ANSWERS_OF_ROLE = {"idk": "refusals", "alternative": "alternatives"}
# keys of a recipe that a method may set for itself
OVERRIDES = ("epochs", "lr", "max_steps", "schedule")
# keys of a method that are no hyper-parameters of its loss
OF_THE_RUN = (*OVERRIDES, "reference")


def experiment_of(config: dict):
    """The experiment of a complete, valid config."""
    # studies without a language model have a section of their own and an experiment class
    for folder in WITHOUT_DATA:
        if folder in config:
            return room(folder, "experiment").BENCHMARK.experiment(config)
    return Experiment(config)


def load_experiment(config: dict, root: Path):
    """The experiment that `config` describes; ConfigError with all problems if it is not valid."""
    for folder in WITHOUT_DATA:
        if folder in config:
            return room(folder, "experiment").BENCHMARK.load(config)
    schema = schema_for(config, root)
    complete, problems = validated(config, schema)
    problems += cross_problems(complete, config.keys())
    if not problems and complete["rehearsal"]:
        # the generated data that replace the config's have keys and defaults of their own
        complete = rehearsed(complete)
        complete = with_defaults(complete, schema_for(complete, root))
        problems = cross_problems(complete)
    if problems:
        raise ConfigError(problems, Experiment(complete))
    return Experiment(complete)


@dataclass(frozen=True)
class Experiment:
    """A complete, valid config and what follows from it, in one draw.

    A draw is everything that is random before unlearning. config: with the seeds of this draw.
    """

    config: dict
    draw: int = 1
    on_language_model = True  # False in the experiments of studies without one

    @cached_property
    def draws(self) -> list["Experiment"]:
        """The experiment in each draw that is run; only the first draw's config lists them all."""
        return [self._in_draw(number) for number in draw_numbers(self.config)]

    def _in_draw(self, number: int) -> "Experiment":
        return self if number == 1 else Experiment(config_of_draw(self.config, number), number)

    @property
    def draws_tables(self) -> bool:
        """Whether each draw has tables of its own: true of generated worlds, which have seeds."""
        return bool(table_seed_keys(self.config))

    @property
    def layout(self) -> Layout:
        """Paths of its results."""
        name = self.config["experiment"]
        world = self.config["world"] or name
        return Layout(self.config["results"], name, world, self.draw, self.draws_tables)

    @property
    def benchmark(self) -> Benchmark:
        """The interface of its benchmark."""
        return benchmark_of(self.config["data"]["source"])

    def code_of(self, *rooms: str) -> list[str]:
        """Full names of code of its benchmark that a stage finds by name, for digests of code.

        rooms: modules of the benchmark's folder, or definitions in them.
        """
        return [module_name(self.benchmark.name, name) for name in rooms]

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

    @property
    def table_entries(self) -> list[str]:
        """Entries of the package's tables that its settings look up, for digests of code.

        An edit of another entry, such as another model's prompt format, reruns nothing.
        """
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

    # --- files that its jobs read ---

    def data_settings(self) -> dict:
        """Settings of stage data: the config's data section, without the keys that name refusals
        and false answers, which stage answers reads."""
        return {k: v for k, v in self.config["data"].items() if k not in OTHER_ANSWERS.values()}

    def data_files(self) -> list[Path]:
        """Tables from outside that its world is made of."""
        return self.benchmark.data_files(self.config["data"], self.tables)

    def answers_settings(self, kind: str) -> dict:
        """Settings of stage answers: the data section, without the files of other kinds."""
        settings = dict(self.config["data"])
        for name, key in OTHER_ANSWERS.items():
            if name != kind:
                settings.pop(key, None)
        return settings

    def answer_files(self, kind: str) -> list[Path]:
        """Files from outside that answers of a kind are made of."""
        return self.benchmark.answer_files(self.config["data"], kind)

    def tokenizer_answers(self) -> list[Path]:
        """Folders of answers that the tokenizer of a model from random weights is trained on too:
        those of all kinds, so that their words are in its vocabulary."""
        return [self.layout.answers(k) for k in self.benchmark.other_answers(self.config["data"])]

    def training_answers(self, method: str, variant: str) -> list[Path]:
        """Folders of the refusals or false answers that an unlearning run trains on."""
        folders = []
        for role in self.method(method, self.hyper(method, variant)).settings()["roles"]:
            if role in ANSWERS_OF_ROLE:
                folders.append(self.layout.answers(ANSWERS_OF_ROLE[role]))
        return folders

    def answers(self) -> set[Path]:
        """Folders of refusals and false answers that any of its jobs reads."""
        folders = set(self.tokenizer_answers() if self.from_scratch else [])
        for cell in self.cells():
            folders.update(self.training_answers(cell.method, cell.variant))
        return folders

    def holdout_files(self, split: str) -> list[Path]:
        """The user's table of rows that no model was trained on, for membership inference."""
        return self.benchmark.holdout_files(self.config, split)

    @property
    def metric_functions(self) -> list[str]:
        """The functions of metrics of the user's own."""
        return list(self.config["metrics"].values())

    def task_files(self) -> list[Path]:
        """The user's files of harness tasks; the tasks of mini-wmdp are generated."""
        folder = self.config["harness"]["include_path"]
        return list_task_files(folder) if folder is not None else []

    def files_of_model(self, path: str) -> list[Path]:
        """The files of the user's model at `path`; none if it is made here or fetched."""
        paths: list[Path] = []
        for model in named_models(self.config).values():
            if model.path is not None:
                paths.append(Path(model.path))
        return model_files(Path(path)) if Path(path) in paths and not on_hub(path) else []

    def log_files(self, split: str) -> list[Path]:
        """The user's evaluation log that replaces a split's retrained model: the file, or the
        files of the folder."""
        path = self.log_of(split, NAMED_RETRAINED)
        if path is None:
            return []
        log = Path(path)
        return sorted(f for f in log.iterdir() if f.is_file()) if log.is_dir() else [log]

    @property
    def assets(self) -> dict[str, dict]:
        """Asset (model, data, harness) -> settings of rule fetch, if it comes from the hub."""
        return assets_of(self)

    # --- target and retrained models ---

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
        of_the_loss = {key: value for key, value in hyper.items() if key not in OF_THE_RUN}
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
        return self.layout.reference(split, run if self.benchmark.split_before(split) else None)

    def references(self) -> set[Path]:
        """Paths of the reference scores of all unlearning runs."""
        paths = set()
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

    # --- settings of stages ---

    def recipe(self, stage: str) -> dict:
        """The recipe of a stage: pretrain, finetune, unlearn or relearn."""
        recipe = {key: self.config[stage][key] for key in RECIPE}
        if recipe["weight_decay"] == 0:  # which weights decay is then no setting
            del recipe["weight_decay_on"]
        return recipe

    def variant_recipe(self, hyper: dict[str, float | str]) -> dict:
        """The recipe of unlearning with the keys that a variant of a method sets for itself."""
        overrides = {key: hyper[key] for key in OVERRIDES if key in hyper}
        return {**self.recipe("unlearn"), **overrides}

    def fit(self, stage: str) -> dict:
        """How a stage fits into memory. It changes no result, so it is not among the settings."""
        recipe = self.config.get(stage) or {}
        layout = {key: recipe[key] for key in FIT if key in recipe}
        return {**layout, "batch_tokens": self.config["evaluation"]["batch_tokens"]}

    def method_settings(self, method: str, variant: str, split: str | None = None) -> dict:
        """Settings of an unlearning run: method, recipe, pairing and evaluated epochs."""
        # MUSE's later requests are evaluated at their end alone
        is_fold = split in self.config["folds"]["splits"]
        trajectory = [] if is_fold else self.config["unlearn"]["trajectory"]
        hyper = self.hyper(method, variant)
        settings = {
            "method": self.method(method, hyper).settings(),
            "recipe": self.variant_recipe(hyper),
            "pairing": self.config["unlearn"]["pairing"],
            "anchor": self.config["unlearn"]["anchor"],
            "trajectory": trajectory,
            **self.common(),
        }
        # a run without evaluated epochs must not run again if the evaluation changes
        if trajectory:
            settings |= self.evaluation()
            settings["metrics"] = self.config["metrics"]
        return settings

    def pretrain_settings(self) -> dict:
        """Settings of pre-training."""
        architecture = self.config["model"]["architecture"]
        return {"recipe": self.recipe("pretrain"), "architecture": architecture, **self.common()}

    def finetune_settings(self) -> dict:
        """Settings of fine-tuning and retraining."""
        replayed = self.config["finetune"]["replay_rows"]
        return {"recipe": self.recipe("finetune"), "replay_rows": replayed, **self.common()}

    def reference_settings(self, reference: str = TARGET) -> dict:
        """Settings of the scoring of forget rows: encoded as in unlearning, and noise if any."""
        settings = {"max_length": self.config["unlearn"]["max_length"], **self.common()}
        if (scale := noise(reference)) is not None:
            settings["noise"] = {"scale": scale, "seed": seed_of(self.target_run)}
        return settings

    def relearn_settings(self, attack: str) -> dict:
        """Settings of a relearning attack."""
        settings = {"recipe": self.recipe("relearn"), "fraction": self.fractions[attack]}
        return settings | self.common() | self.evaluation()

    def evaluate_settings(self) -> dict:
        """Settings of evaluation. `evaluation.variant` is not among them: the report computes every
        variant of the metrics from the same rows."""
        settings = {**self.common(), **self.evaluation("membership", "min_k", "gradnorm")}
        settings["metrics"] = self.config["metrics"]
        # names of the columns in the user's table of non-members, which evaluation reads itself
        if any(map(self.holdout_files, self.own_splits)):
            settings["columns"] = self.config["data"].get("columns", {})
        return settings

    def harness_settings(self) -> dict:
        """Settings of the evaluation on harness tasks, which have prompts of their own."""
        settings = {key: self.config["harness"][key] for key in HARNESS}
        return {**self.tasks, **settings, "precision": self.config["model"]["precision"]}

    def common(self) -> dict:
        """Settings of every stage that reads a model; only a chat template has a system text."""
        model = self.config["model"]
        settings = {key: model[key] for key in ("prompt", "precision")}
        return settings | ({"system": model["system"]} if model["prompt"] == "chat" else {})

    def evaluation(self, *more: str) -> dict:
        """Further settings of stages that evaluate. more: further keys of section evaluation."""
        section = self.config["evaluation"]
        settings = {key: section[key] for key in (*EVALUATION, *more)}
        return {"evaluation": {**settings, "benchmark": self.benchmark.name}}
