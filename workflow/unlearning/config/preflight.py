"""What must be there before the first job: data, models, a place for results."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from unlearning.assets.gguf import gguf_problems, is_gguf
from unlearning.assets.needs import model_files, on_hub
from unlearning.benchmark import benchmark_of, room
from unlearning.cluster.site import site_problems
from unlearning.config.experiment import Experiment
from unlearning.config.judged import model_use
from unlearning.config.named import named_models
from unlearning.config.schema import ConfigError
from unlearning.config.steps import step_problems
from unlearning.data.build import build_tables
from unlearning.data.formats import read_rows
from unlearning.data.problems import data_problems
from unlearning.data.tables import QA, ColumnNames, DataError
from unlearning.data.task_files import task_problems
from unlearning.errors import seen_from
from unlearning.evaluation.harness import install_hint
from unlearning.fingerprint import PACKAGE, fingerprint
from unlearning.outside import digests_text

NO_SITE: Mapping[str, Iterable[str]] = {}
PASSED = Path(".snakemake") / "judged"  # an empty file for each judgement without a problem
PACKAGES = {"adamw8bit": "torchao", "paged_adamw_32bit": "bitsandbytes"}


def preflight(experiment: Experiment, site: Mapping[str, Iterable[str]] = NO_SITE) -> None:
    """ConfigError with everything that is missing on this machine, or that the cluster's scheduler
    does not know of the names in the profile."""
    # Studies without a language model run on the CPU, and their resources name no GPUs.
    gpus = experiment.config["resources"]["gpus"] if experiment.on_language_model else 0
    problems = site_problems(site, gpus) + _results(experiment)
    if experiment.on_language_model:
        problems += _language_model(experiment)
    if problems:
        raise ConfigError(problems)


def _language_model(experiment: Experiment) -> list[str]:
    config = experiment.config
    holdout = config["evaluation"]["holdout"]
    problems = data_problems(config["data"], experiment.tables, holdout)
    if not problems:  # rows are compared with the data's
        problems = _logs(experiment)
    problems += experiment.benchmark.file_problems(config) + step_problems(experiment)
    return problems + _models(experiment) + _harness(experiment) + _optimizer(experiment)


def _results(experiment: Experiment) -> list[str]:
    folder = experiment.layout.root.absolute()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    # by writing: permission bits say nothing of read-only mounts and quotas
    try:
        with tempfile.TemporaryFile(dir=existing):
            return []
    except OSError as error:
        return [
            f"results: cannot write to '{experiment.config['results']}' ({existing}: "
            f"{error.strerror}). Set results to a folder that you may write to"
        ]


def _models(experiment: Experiment) -> list[str]:
    problems = []
    for asset, model in named_models(experiment.config).items():
        if on_hub(model.path):
            continue  # rule fetch says whether it can be had, before any job that needs it
        if model.revision != "main":
            problems.append(
                f"{model.section}.revision: '{model.revision}' is for a hub id, but "
                f"{model.setting} is {model.path!r}; remove it"
            )
        elif model.path is not None:
            use = model_use(experiment, asset)
            problems += model_problems(model.path, use, model.setting)
    return problems


def _logs(experiment: Experiment) -> list[str]:
    """What is wrong with the logs that stand for retrained models."""
    config, problems = experiment.config, []
    splits = experiment.log_splits()
    if not splits:
        return []
    # tables of the hub are not there yet; then a log is only checked by itself
    benchmark, tables = experiment.benchmark, None
    if benchmark.reads_files(config["data"]) or config["data"]["source"] in benchmark.generated:
        tables = build_tables(config["data"], experiment.tables, {})
    judge = room(benchmark.name, "retained").log_problems
    for split in splits:
        log, non_members = config["retrained"][split]["log"], _non_members(experiment, split)
        for problem in judge(log, split, tables, config["evaluation"], non_members):
            problems.append(f"retrained.{split}.log: {problem}")
    return problems


def _non_members(experiment: Experiment, split: str) -> list[dict] | None:
    """Rows of the user's table of non-members, where there is one that can be read: what is wrong
    with it is told where files are checked."""
    names = ColumnNames(experiment.config["data"].get("columns", {}))
    for file in experiment.holdout_files(split):
        with suppress(DataError):
            return read_rows(file, QA, names).rows
    return None


def model_problems(path: str, use: dict, setting: str, name: str | None = None) -> list[str]:
    """What is wrong with a model folder for an experiment that uses it so (judged.model_use).

    setting: the key that names it. name: what to call it, by default its path. A folder that has
    passed is not judged again until one of its files, the use or the code changes.
    """
    if is_gguf(path):
        return gguf_problems(path)
    folder = Path(path)
    if not folder.is_dir():
        gguf = "a GGUF file or " if setting == "model.path" else ""
        return [
            f"{setting}: no folder '{path}'{seen_from(path)}. It should hold config.json, "
            f"*.safetensors and the tokenizer, or be {gguf}a hub id such as "
            "meta-llama/Llama-2-7b-chat-hf"
        ]
    passed = PASSED / _state(folder, use)
    if passed.is_file():  # a judgement takes seconds, and every start of Snakemake asks for it
        return []
    problems = _judged(folder, use)
    if not problems:
        with suppress(OSError):  # then it is judged again next time
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.touch()
    return [f"{setting}: '{name or path}' {problem}" for problem in problems]


def _state(folder: Path, use: dict) -> str:
    """Digest of all that a judgement depends on: of weights headers and sizes, of the other files
    what they hold."""
    files = model_files(folder)
    # weights are gigabytes, and a judgement reads no more of them than their headers
    weights = [file for file in files if file.suffix == ".safetensors"]
    headers = [[str(file), file.stat().st_size, _header(file)] for file in weights]
    files += benchmark_of(use["data"]["source"]).data_files(use["data"], use["splits"])
    held = digests_text(sorted({file for file in files if file.exists()}.difference(weights)))
    code = [fingerprint("unlearning.stages.judge"), version("transformers"), version("tokenizers")]
    return hashlib.sha256(json.dumps([headers, held, code, use]).encode()).hexdigest()[:24]


def _header(weights: Path) -> str:
    """Digest of the header of a safetensors file, whose length stands before it."""
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, weights.stat().st_size))
    return hashlib.sha256(header).hexdigest()


def _judged(folder: Path, use: dict) -> list[str]:
    """The judgement of a process of its own: it needs torch, which takes seconds to import and
    which this process must not hold."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "problems.json"
        arguments = ["--model", str(folder), "--settings", json.dumps(use), "--out", str(out)]
        # this package before what the user has set
        path = filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")])
        done = subprocess.run(
            [sys.executable, "-m", "unlearning", "judge", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )
        if out.is_file():
            return json.loads(out.read_text(encoding="utf-8"))
    # a process that was killed leaves no file, and no word of its own
    last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
    return [f"cannot be judged, for reading it ended in an error: {last}"]


def _harness(experiment: Experiment) -> list[str]:
    harness, problems = experiment.config["harness"], []
    folder = harness["include_path"]
    if experiment.tasks["tasks"] and (problem := install_hint()) is not None:
        # a benchmark without an evaluation of its own needs the harness
        optional = experiment.benchmark.evaluates(experiment.config)
        alternative = ", or set tasks to []" if optional else ""
        problems.append(f"harness.tasks: {problem}{alternative}")
    if folder is not None and not Path(folder).is_dir():
        problems.append(
            f"harness.include_path: no folder '{folder}'{seen_from(folder)}. It should hold the "
            "YAML files of your tasks, or be null"
        )
    elif folder is not None:
        for problem in task_problems(folder, harness["tasks"]):
            problems.append(f"harness.include_path: {problem}")
    return problems


def _optimizer(experiment: Experiment) -> list[str]:
    problems = []
    for stage in ("pretrain", "finetune", "unlearn", "relearn"):
        if experiment.config[stage] is None:
            continue
        optimizer = experiment.config[stage]["optimizer"]
        package = PACKAGES.get(optimizer)
        if package is not None and find_spec(package) is None:
            problems.append(
                f"{stage}.optimizer: {optimizer} needs the package {package}; install it with "
                "`pip install --constraint envs/constraints.txt '.[gpu]'`, or set adamw"
            )
        if optimizer == "paged_adamw_32bit" and not experiment.config["resources"]["gpus"]:
            problems.append(
                f"{stage}.optimizer: {optimizer} needs a CUDA GPU, and resources.gpus is 0; set "
                "resources.gpus to 1, or adamw"
            )
    return problems
