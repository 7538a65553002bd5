"""A validated experiment: its runs, and for each stage the settings and files that it reads.

A stage's settings are a param of its rule (as JSON), so a job runs again if they change. Each of
the *_settings() methods therefore has exactly the config's values that change the stage's result.
"""

from dataclasses import fields
from pathlib import Path

from unlearning.assets.needs import model_files, on_hub
from unlearning.benchmark import OTHER_ANSWERS, WITHOUT_DATA, module_name, room
from unlearning.config.checks import cross_problems
from unlearning.config.layout import NAMED_RETRAINED, seed_of
from unlearning.config.named import named_models
from unlearning.config.rehearsal import rehearsed
from unlearning.config.runs import OVERRIDES, Runs
from unlearning.config.schema import ConfigError, schema_for, validated, with_defaults
from unlearning.data.task_files import list_task_files
from unlearning.methods.references import TARGET, noise
from unlearning.training.plan import Recipe

# keys of a training section that change only memory and time; those of Recipe change the model
FIT = ("micro_batch", "gradient_checkpointing")
# keys of the sections `harness` and `evaluation` that change results
HARNESS = ("limit", "num_fewshot", "chat_template")
EVALUATION = ("rows", "max_length", "generation_tokens", "generation_counts", "question", "rouge")
# role of a pair's row, if its answer is not the true one -> kind of its answers
ANSWERS_OF_ROLE = {"idk": "refusals", "alternative": "alternatives"}


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
        # The config itself is checked first, as it will be run. The generated data that replace its
        # own have keys and defaults of their own.
        complete = rehearsed(complete)
        complete = with_defaults(complete, schema_for(complete, root))
        problems = cross_problems(complete)
    if problems:
        raise ConfigError(problems, Experiment(complete))
    return Experiment(complete)


class Experiment(Runs):
    """A complete, valid config: its runs, and what each of their stages reads."""

    on_language_model = True  # False in the experiments of studies without one

    # --- code that stages find by its name, for digests of code ---

    def code_of(self, *rooms: str) -> list[str]:
        """Full names of its benchmark's modules, or of definitions in them (module:definition)."""
        return [module_name(self.benchmark.name, name) for name in rooms]

    @property
    def table_entries(self) -> list[str]:
        """Entries of the package's tables that its settings look up.

        An edit of another entry, such as another model's prompt format, reruns nothing.
        """
        return [f"unlearning.data.prompts:PROMPTS[{self.config['model']['prompt']}]"]

    @property
    def metric_functions(self) -> list[str]:
        return list(self.config["metrics"].values())

    # --- files that its jobs read ---

    def data_files(self) -> list[Path]:
        """Tables from outside that its world is made of."""
        return self.benchmark.data_files(self.config["data"], self.tables)

    def answer_files(self, kind: str) -> list[Path]:
        """Files from outside that answers of a kind are made of."""
        return self.benchmark.answer_files(self.config["data"], kind)

    def tokenizer_answers(self) -> list[Path]:
        """Folders of answers that the tokenizer of a model from random weights is trained on too:
        those of all kinds, so that their words are in its vocabulary."""
        return [self.layout.answers(k) for k in self.benchmark.other_answers(self.config["data"])]

    def training_answers(self, method: str, variant: str) -> list[Path]:
        """Folders of the refusals or false answers that an unlearning run trains on."""
        roles = self.method(method, self.hyper(method, variant)).settings()["roles"]
        kinds = [ANSWERS_OF_ROLE[role] for role in roles if role in ANSWERS_OF_ROLE]
        return [self.layout.answers(kind) for kind in kinds]

    def answers(self) -> set[Path]:
        """Folders of refusals and false answers that any of its jobs reads."""
        folders = set(self.tokenizer_answers() if self.from_scratch else [])
        for cell in self.cells():
            folders.update(self.training_answers(cell.method, cell.variant))
        return folders

    def holdout_files(self, split: str) -> list[Path]:
        """The user's table of rows that no model was trained on, for membership inference."""
        return self.benchmark.holdout_files(self.config, split)

    def task_files(self) -> list[Path]:
        """The user's files of harness tasks; the tasks of mini-wmdp are generated."""
        folder = self.config["harness"]["include_path"]
        return list_task_files(folder) if folder is not None else []

    def files_of_model(self, path: str) -> list[Path]:
        """The files of the user's model at `path`; none if it is made here or fetched."""
        models = named_models(self.config).values()
        paths = [Path(model.path) for model in models if model.path is not None]
        return model_files(Path(path)) if Path(path) in paths and not on_hub(path) else []

    def log_files(self, split: str) -> list[Path]:
        """The user's evaluation log that replaces a split's retrained model: the file, or the
        files of the folder."""
        path = self.log_of(split, NAMED_RETRAINED)
        if path is None:
            return []
        log = Path(path)
        return sorted(filter(Path.is_file, log.iterdir())) if log.is_dir() else [log]

    # --- settings of stages ---

    def data_settings(self, kind: str | None = None) -> dict:
        """Settings of stage data, or of stage answers for a kind of answers: the config's data
        section, without the keys that name files of other answers."""
        unused = {key for name, key in OTHER_ANSWERS.items() if name != kind}
        return {key: value for key, value in self.config["data"].items() if key not in unused}

    def recipe(self, stage: str) -> dict:
        """The recipe of a stage: pretrain, finetune, unlearn or relearn."""
        recipe = {field.name: self.config[stage][field.name] for field in fields(Recipe)}
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

    def pretrain_settings(self) -> dict:
        architecture = self.config["model"]["architecture"]
        return {"recipe": self.recipe("pretrain"), "architecture": architecture, **self.common()}

    def finetune_settings(self) -> dict:
        replayed = self.config["finetune"]["replay_rows"]
        return {"recipe": self.recipe("finetune"), "replay_rows": replayed, **self.common()}

    def reference_settings(self, reference: str = TARGET) -> dict:
        """Settings of the scoring of forget rows: encoded as in unlearning, and noise if any."""
        settings = {"max_length": self.config["unlearn"]["max_length"], **self.common()}
        if (scale := noise(reference)) is not None:
            # the target's seed, so that each draw of the experiment has noise of its own
            settings["noise"] = {"scale": scale, "seed": seed_of(self.target_run)}
        return settings

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
            settings |= {**self.evaluation(), "metrics": self.config["metrics"]}
        return settings

    def relearn_settings(self, attack: str) -> dict:
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

    @property
    def tasks(self) -> dict:
        """Harness tasks and the folder of task files."""
        return self.benchmark.tasks(self.config, self.layout.data)

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
