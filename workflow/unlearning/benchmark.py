"""What the shared rooms ask of a benchmark, and where its folder is found.

A benchmark is a folder of `benchmarks/` and its line in SOURCES. Shared rooms import nothing of
these folders: they ask the class below, which each folder's `experiment.py` extends, and call
modules of fixed names ("rooms"), loaded when they are needed:

    schema.yaml   the config's `data` section for each source, and changes to other sections
    experiment    BENCHMARK, an instance of Benchmark; light, for Snakemake imports it
    data          TABLES: source -> function(data, splits, snapshots, names), which makes the tables
                  that stages read; where other_answers says so and no file of the user's is named,
                  refusals(data, snapshots, names) and alternatives(data, forget)
    evaluator     make_evaluator(...): what evaluates a loaded model; length_problems(...)
    metrics       summary(rows), at_point(rows): what evaluations are summed up to; STUDIES
    sizes         sizes(experiment): rows and tokens, for `plan`
    retained      log_problems(...): of logs that stand for retrained models, where it reads_logs
    results       read(experiment): all its numbers, as reporting.results.Results
    columns       MAIN, PARTS, FURTHER, FURTHER_NOTE, note(results): what its tables hold; ANSWERS:
                  sets whose answers the page shows; CITED: keys of config/citations.yaml
    sections/     sections of the page that it has alone: a module and a template each

docs/benchmark.md is the recipe for a new one.
"""

import importlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType

# Folder of a benchmark -> the values of data.source that are its own: a new one is a line here.
SOURCES = {
    "tofu": ("mini", "tofu"),
    "muse": ("mini-muse", "muse"),
    "wmdp": ("mini-wmdp", "wmdp"),
    "own": ("own",),
}
WITHOUT_DATA = ("synthetic",)  # folders whose experiments are named by a section of that name
# Answers that are not the truth -> the key of `data` that names a file of them
OTHER_ANSWERS = {"refusals": "idontknow", "alternatives": "alternatives"}
ON_THE_WAY = ("evaluator:make_evaluator", "metrics:at_point")

Check = Callable[[dict], Iterator[str]]


def room(benchmark: str, name: str) -> ModuleType:
    """A module of a benchmark's folder."""
    return importlib.import_module(module_name(benchmark, name))


def module_name(benchmark: str, name: str) -> str:
    """Its full name, as digests of code take it; name: a room, or room:definition."""
    return f"{__package__}.benchmarks.{benchmark}.{name}"


def on_the_way(benchmark: str) -> list[str]:
    """The code that evaluates a model in training, as digests of code take it."""
    return [module_name(benchmark, name) for name in ON_THE_WAY]


def folder_of(source: str) -> str:
    """The benchmark that a value of data.source belongs to."""
    return next(name for name, sources in SOURCES.items() if source in sources)


def benchmark_of(source: str) -> "Benchmark":
    """What the benchmark of a value of data.source answers."""
    return room(folder_of(source), "experiment").BENCHMARK


def schema_file(benchmark: str) -> Path:
    """What a config may say on a benchmark."""
    return Path(__file__).parent / "benchmarks" / benchmark / "schema.yaml"


class Benchmark:
    """What the shared rooms ask of a benchmark that trains a language model.

    The defaults are those of questions with answers whose target is the base model fine-tuned on
    `full`, with retrained models for each forget split. config: a complete, valid one.
    """

    name: str  # of its folder
    title: str  # in messages and reports
    split_pattern: str  # regular expression of its forget splits
    generated: tuple[str, ...] = ()  # sources whose tables are made here from a seed
    # keys of the `data` section, as paths in it, that hold the seeds of these tables: each draw of
    # an experiment has its own (config.draws)
    data_seeds: tuple[tuple[str, ...], ...] = ()
    longest_rehearsed: int | None = None  # tokens of a rehearsal's rows, where texts are long
    # the setting that problems of the user's files are told of; "" where these name their own
    files_named_in = "data.data_dir"
    sections: tuple[str, ...]  # of the page in their order: its own, or reporting/sections
    reads_logs = False  # whether an evaluation log may stand for a retrained model
    # stages of which a base model is asked whether it reads rows of max_length
    read_by: tuple[str, ...] = ("finetune", "unlearn", "evaluation")

    # --- the config ---

    def checks(self, sections: Collection[str]) -> list[Check]:
        """What to check of a config beside the schema. sections: those that the user wrote."""
        raise NotImplementedError

    def unused(self, config: dict) -> dict[str, str]:
        """Section of the config that has no use here -> why; refused where it is written."""
        return {}

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """Section -> what a rehearsal changes in it: small tables that need no network."""
        raise NotImplementedError

    def repositories(self, config: dict) -> dict:
        """Asset -> assets.needs.Repository of what its data need from the hub."""
        return {}

    def reads_files(self, data: dict) -> bool:
        """Whether tables come from files of the user's."""
        return data.get("data_dir") is not None

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        """The files of the user's that tables are made of, as far as they are read."""
        return []

    def holdout_files(self, config: dict, split: str) -> list[Path]:
        """The table of non-members from outside that models of a split are attacked with."""
        holdout = config["evaluation"]["holdout"]
        return [] if holdout is None else [Path(holdout)]

    def other_answers(self, data: dict) -> list[str]:
        """The kinds of answers that are not the truth which there are (OTHER_ANSWERS): tables that
        only methods of those roles read, and the tokenizer of a model from random weights."""
        return []

    def answer_files(self, data: dict, kind: str) -> list[Path]:
        """The files of the user's that answers of a kind are made of."""
        path = data.get(OTHER_ANSWERS[kind])
        return [Path(path)] if path is not None else []

    def file_problems(self, config: dict) -> list[str]:
        """What of the config the user's files do not allow, as far as these can be read."""
        return []

    # --- which models there are ---

    def fine_tunes(self, config: dict) -> bool:
        """Whether the target is fine-tuned here; else it is the base model as it is."""
        return True

    def retrain_seeds(self, config: dict) -> list[int]:
        """Seeds of the retrained models; the first is the main reference."""
        return config["retrain"]["seeds"]

    def retrain_table(self, split: str) -> str:
        """The table that a split's retrained models learn."""
        raise NotImplementedError

    def retain_table(self, split: str) -> str:
        """The table that unlearning regularises on."""
        return self.retrain_table(split)

    def split_before(self, split: str) -> str | None:
        """The split that must have been unlearned before; None for most."""
        return None

    # --- how they are evaluated ---

    def evaluates(self, config: dict) -> bool:
        """Whether its evaluator measures models; else harness tasks are all."""
        return True

    def study_methods(self, study: str | None) -> dict[str, set[str]] | None:
        """Method -> its hyper-parameters, in a study that claims name; None: the registry's."""
        return None

    def brings_tasks(self, data: dict) -> bool:
        """Whether its tables bring harness tasks along, which room data then writes."""
        return False

    def tasks(self, config: dict, data: Path) -> dict:
        """Harness tasks and the folder of task files. data: the folder of tables."""
        return {key: config["harness"][key] for key in ("tasks", "include_path")}
