"""Interface between a benchmark (TOFU, MUSE, …) and the code that all benchmarks share.

A benchmark is a folder of `benchmarks/` and its line in SOURCES. Shared rooms import none of these
folders. They call methods of class Benchmark, which each folder's `experiment.py` extends, and load
modules of fixed names ("rooms") when they need them:

    schema.yaml   the config's `data` section for each source, and changes to other sections
    experiment    BENCHMARK, an instance of Benchmark; Snakemake imports it, so it is light
    data          TABLES: source -> function(data, splits, snapshots, names), which makes the tables
                  that stages read. For the kinds of other_answers that no file of the user's
                  holds: refusals(data, snapshots, names) and alternatives(data, forget)
    files         read_from(folder, splits): the files of data.data_dir that the tables are made of
    evaluator     make_evaluator(...): evaluator of a loaded model; length_problems(...)
    metrics       summary(rows): metrics of an evaluation; at_point(rows): what a trajectory stores
                  besides; STUDIES: metrics that claims may be about
    sizes         sizes(experiment): rows and tokens, for `plan`
    retained      log_problems(...): problems of logs in place of retrained models (reads_logs)
    results       read(experiment): all numbers of a report, as reporting.results.Results
    columns       MAIN, PARTS, FURTHER, FURTHER_NOTE, note(results): columns of tables; VARIED:
                  metrics whose variance is split into parts; ANSWERS: sets whose answers the page
                  shows; CITED: keys of config/citations.yaml
    sections/     sections of its page that no other benchmark has: a module and a template each

docs/benchmark.md is the recipe for a new one.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Folder of a benchmark -> its values of data.source. A new benchmark is a line here.
SOURCES = {
    "tofu": ("mini", "tofu"),
    "muse": ("mini-muse", "muse"),
    "wmdp": ("mini-wmdp", "wmdp"),
    "own": ("own",),
}
WITHOUT_DATA = ("synthetic",)  # folders chosen by a config's section of that name, not by a source
# Kind of answers that are not the truth -> the key of `data` that names a file of them.
OTHER_ANSWERS = {"refusals": "idontknow", "alternatives": "alternatives"}
# Definitions that evaluate a model during training.
ON_THE_WAY = ("evaluator:make_evaluator", "metrics:at_point")

Check = Callable[[dict], Iterator[str]]


def room(benchmark: str, name: str) -> ModuleType:
    """A module of a benchmark's folder."""
    return importlib.import_module(module_name(benchmark, name))


def module_name(benchmark: str, name: str) -> str:
    """Full name of a module of a benchmark's folder. name: a room, or room:definition."""
    return f"{__package__}.benchmarks.{benchmark}.{name}"


def on_the_way(benchmark: str) -> list[str]:
    """Full names of the definitions that evaluate a model during training, for digests of code."""
    return [module_name(benchmark, name) for name in ON_THE_WAY]


def folder_of(source: str) -> str:
    """The folder of the benchmark that a value of data.source belongs to."""
    return next(name for name, sources in SOURCES.items() if source in sources)


def benchmark_of(source: str) -> "Benchmark":
    """The benchmark that a value of data.source belongs to."""
    return room(folder_of(source), "experiment").BENCHMARK


def schema_file(benchmark: str) -> Path:
    """The file with the config's keys for a benchmark."""
    return Path(__file__).parent / "benchmarks" / benchmark / "schema.yaml"


class Benchmark:
    """A benchmark that trains a language model: which data, models and evaluations it has.

    The defaults fit questions with answers whose target is the base model fine-tuned on `full`,
    with retrained models for each forget split. Every `config` here is complete and valid.
    """

    name: str  # of the folder
    title: str  # in messages and reports
    split_pattern: str  # regular expression that the names of its forget splits match
    generated: tuple[str, ...] = ()  # sources whose tables are generated from a seed
    # Keys of the `data` section, as paths in it, that hold the seeds of generated tables: each draw
    # of an experiment has tables of its own (config.draws).
    data_seeds: tuple[tuple[str, ...], ...] = ()
    longest_rehearsed: int | None = None  # tokens of a rehearsal's rows, where texts are long
    # Setting that messages about the user's files start with; "" where they name one themselves.
    files_named_in = "data.data_dir"
    # Sections of the page in their order, from this folder's sections/ or reporting/sections.
    sections: tuple[str, ...]
    reads_logs = False  # whether an evaluation log may stand for a retrained model
    # Checks of a config beyond the schema.
    config_checks: tuple[Check, ...] = ()
    # Stages whose max_length the context of the base model has to hold.
    read_by: tuple[str, ...] = ("finetune", "unlearn", "evaluation")

    # --- the config ---

    def unused(self, config: dict) -> dict[str, str]:
        """Section of the config that does not apply -> why; a config that has it is refused."""
        return {}

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """Section -> its changes in a rehearsal, which has small tables and needs no network."""
        raise NotImplementedError

    def repositories(self, config: dict) -> dict:
        """Asset -> assets.needs.Repository of data on the hub."""
        return {}

    def reads_files(self, data: dict) -> bool:
        """Whether tables are made of files of the user's."""
        return data.get("data_dir") is not None

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        """The files of the user's that the tables of these splits are made of."""
        if not self.reads_files(data):
            return []
        return room(self.name, "files").read_from(Path(data["data_dir"]), splits)

    def row_counts(self, experiment) -> dict[str, int]:
        """Table -> rows to train on, as far as they are known of tables that are made in a job."""
        return {}

    def holdout_files(self, config: dict, split: str) -> list[Path]:
        """Files of the user's with non-members for membership attacks on models of a split."""
        holdout = config["evaluation"]["holdout"]
        return [] if holdout is None else [Path(holdout)]

    def other_answers(self, data: dict) -> list[str]:
        """The kinds of OTHER_ANSWERS that the data have.

        Only methods with those roles read these tables, and the tokenizer of a model from random
        weights.
        """
        return []

    def answer_files(self, data: dict, kind: str) -> list[Path]:
        """The files of the user's that answers of a kind of OTHER_ANSWERS are made of."""
        path = data.get(OTHER_ANSWERS[kind])
        return [Path(path)] if path is not None else []

    def file_problems(self, config: dict) -> list[str]:
        """Messages about settings that the rows of the user's files do not allow."""
        return []

    # --- which models there are ---

    def fine_tunes(self, config: dict) -> bool:
        """Whether the target is fine-tuned; otherwise it is the base model as it is."""
        return True

    def retrain_seeds(self, config: dict) -> list[int]:
        """Seeds of the retrained models; the first model is the main baseline."""
        return config["retrain"]["seeds"]

    def retrain_table(self, split: str) -> str:
        """Name of the table that a split's retrained models learn."""
        raise NotImplementedError

    def retain_table(self, split: str) -> str:
        """Name of the table that unlearning regularises on."""
        return self.retrain_table(split)

    def split_before(self, split: str) -> str | None:
        """The split whose unlearned model a split starts from; None: from the target."""
        return None

    # --- how they are evaluated ---

    def evaluates(self, config: dict) -> bool:
        """Whether it has an evaluator; otherwise harness tasks are the only evaluation."""
        return True

    def study_methods(self, study: str | None) -> dict[str, set[str]] | None:
        """Method -> its hyper-parameters, in a study that claims name; None: as in the registry."""
        return None

    def brings_tasks(self, data: dict) -> bool:
        """Whether room data writes harness tasks beside the tables."""
        return False

    def tasks(self, config: dict, data: Path) -> dict:
        """The names of harness tasks, and the folder of task files. data: the folder of tables."""
        return {key: config["harness"][key] for key in ("tasks", "include_path")}
