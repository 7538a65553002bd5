# The validated experiment, and what every rule asks of it. No rules here.

import json
import os
import re
import shlex
import sys
from functools import cache
from tempfile import TemporaryDirectory

ROOT = Path(workflow.basedir)
HERE = os.path.relpath(ROOT)  # "." where it is started in the project's folder
sys.path.insert(0, str(ROOT / "workflow"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_executor_plugins.settings import ExecMode

from unlearning.benchmark import OTHER_ANSWERS, on_the_way
from unlearning.cluster.cancelled import without_retries_of_cancelled_jobs
from unlearning.config.reading import read_experiment, ready_experiment
from unlearning.errors import UserError
from unlearning.fingerprint import fingerprint
from unlearning.methods.references import PATTERN as REFERENCES
from unlearning.outside import digests_text
from unlearning.reporting.section import sections

# Of the profile: what every job asks for on this site, the names of its GPUs among it.
DEFAULTS = workflow.resource_settings.default_resources
SITE = dict(argument.split("=", 1) for argument in DEFAULTS.args) if DEFAULTS else {}

without_retries_of_cancelled_jobs(Executor)


def site_values():
    """Key of the profile -> its values, for all jobs and for those of single rules."""
    values = {key: [value] for key, value in SITE.items()}
    for resources in workflow.resource_settings.overwrite_resources.values():
        for key, resource in resources.items():
            values.setdefault(key, []).append(str(resource.raw))
    return values


def load():
    """The experiment of this run; every problem at once, before any job."""
    try:
        # Snakemake's own reading loses keys that are stated twice, and types of the command line
        values = workflow.config_settings.config
        files = map(Path, workflow.configfiles)
        if workflow.exec_mode != ExecMode.DEFAULT:  # a job of a run that has been checked
            return read_experiment(files, values, ROOT)
        experiment = ready_experiment(files, values, ROOT, site_values())
        # here, not above: it loads scipy, and a job of a cluster reads this file too
        from unlearning.evaluation.own import declare_own_metrics
        from unlearning.reporting.claims.file import load_claims, unknown_methods

        declare_own_metrics(experiment)
        for line in unknown_methods(load_claims(ROOT / "config/claims.yaml"), experiment.losses):
            logger.warning(line)
        return experiment
    except UserError as error:
        raise WorkflowError(f"The configuration cannot be run:\n{error}") from None


EXPERIMENT = load()
LAYOUT = EXPERIMENT.layout
SHARED = str(LAYOUT.shared)  # what all draws have in common
# Draw as paths spell it -> the experiment in it. Of draw 1 alone the rules have no such wildcard.
DRAWS = {
    str(experiment.layout.root).removeprefix(SHARED): experiment for experiment in EXPERIMENT.draws
}
WORLD = SHARED if [*DRAWS] == [""] else f"{SHARED}{{draw}}"
TABLES = WORLD if EXPERIMENT.draws_tables else SHARED
LOGS = f"{WORLD}/logs"
BENCHMARKS = f"{WORLD}/benchmarks"
RESOURCES = EXPERIMENT.config["resources"]
ASSETS = EXPERIMENT.assets  # what comes from the hub
# of the report's page
SECTIONS = sections(EXPERIMENT.benchmark.name, EXPERIMENT.benchmark.sections)
# no message: the last line that workflow/snakemake_logger_plugin_unlearning prints
logger.info("", extra={"report": f"{LAYOUT.report}/index.html"})
RUN = "{method}/{variant}/seed={seed}"  # an unlearning run inside its split and stage

SPLIT = EXPERIMENT.benchmark.split_pattern  # of forget splits

# Where cells may share a process they ask a worker of this Snakemake's for theirs.
WORKER = TemporaryDirectory(prefix="unlearning-") if RESOURCES["cells_per_job"] > 1 else None
ASKED = [WORKER.name, os.getpid(), RESOURCES["cells_per_job"]] if WORKER else []
ASKED = f" UNLEARNING_WORKER={shlex.quote(':'.join(map(str, ASKED)))}" if ASKED else ""

# Bash waits for the end of its stage, which hears of the signal too and writes its state.
# Rule fetch alone speaks with the hub, as far as the user's own setting lets it.
shell.prefix(
    "set -euo pipefail; trap : TERM USR1;"
    " export HUB_AS_SET=${{HF_HUB_OFFLINE:-}} HF_HUB_OFFLINE=1"
    f"{ASKED}; "
)


def experiment_of(wildcards):
    """The experiment in the draw of a job."""
    return DRAWS[wildcards.get("draw", "")]


def compute(gpus):
    """Resources of a job; its second attempt, after too little memory or time, asks for double."""
    asked = {
        "processes": gpus,
        "gpu": gpus,  # --gpus=N, with the site's gpu_model --gpus=MODEL:N
        "mem_mb": lambda wildcards, attempt: RESOURCES["mem_mb"] * attempt,
        "runtime": lambda wildcards, attempt: RESOURCES["runtime"] * attempt,
    }
    if "gres" in SITE:  # the executor sends both --gpus and --gres, so one of them goes
        asked |= {"gpu": None, "gpu_model": None, "gres": f"{SITE['gres']}:{gpus}"}
    return asked if gpus else asked | {"gpu_model": None, "gres": None}


def alone(threads):
    """Threads of a job that no other can run beside: on this machine two, which compute the same
    bits as one, and on a cluster what was asked for."""
    here = workflow.exec_mode == ExecMode.DEFAULT and workflow.resource_settings.cores
    return max(threads, min(2, here or 1))


def fit(stage):
    """How a stage is laid out in memory and over processes: a change of resources reruns nothing."""
    return {"fit": json.dumps(EXPERIMENT.fit(stage)), "sharding": RESOURCES["sharding"]}


def unlearned(folder):
    """Weights of an unlearned model: removed after their last use, unless the config keeps them."""
    return folder if EXPERIMENT.config["keep_models"] else temp(folder)


# A job of a cluster plans its run anew, so it needs the params that start reruns; a job's own process
# on this machine does not.
COMPARES = workflow.exec_mode != ExecMode.SUBPROCESS


def code(*entries):
    """Digest of what a stage is made of; as a param, an edit reruns its stages and no others."""
    return fingerprint(*entries, *EXPERIMENT.table_entries) if COMPARES else None


def as_json(settings):
    """Settings as one param: Snakemake compares params as a set of values without names."""
    return json.dumps(settings, sort_keys=True)


def shipped(path):
    """A file of the project as seen from the folder that Snakemake works in: Snakemake remembers
    inputs as they are spelled, and a project that has moved must rerun nothing."""
    return os.path.normpath(os.path.join(HERE, path))


def page_parts():
    """Templates, styles, scripts and citations that the report's page is made of."""
    names = ["CITATION.cff", "config/citations.yaml", "reports/page/*"]
    parts = [path for name in names for path in ROOT.glob(name)]
    folders = {section.path.parent for section in SECTIONS}
    parts += [section.template for section in SECTIONS]
    parts += [path for folder in folders for path in folder.glob("*.js")]
    return sorted(shipped(path.relative_to(ROOT)) for path in parts)


def asset(name):
    """Record of what was fetched, if the experiment takes it from the hub."""
    return [str(LAYOUT.assets / f"{name}.json")] if name in ASSETS else []


def data_records():
    """Records of the data that were fetched."""
    return [record for name in ASSETS if name.startswith("data") for record in asset(name)]


def tables_code():
    """What stage data finds by name in the benchmark's folder: what makes the tables of the
    experiment's source, not of others."""
    data = EXPERIMENT.config["data"]
    tasks = ["data:write_tasks"] if EXPERIMENT.benchmark.brings_tasks(data) else []
    return EXPERIMENT.code_of("data:TABLES", f"data:TABLES[{data['source']}]", *tasks)


def answers_code(wildcards):
    """What stage answers looks up for a kind of them; in the benchmark's folder only where the user
    names no file."""
    kind = wildcards.kind
    named = EXPERIMENT.config["data"].get(OTHER_ANSWERS[kind])
    made_here = EXPERIMENT.code_of(f"data:{kind}") if named is None else []
    return [f"unlearning.stages.answers:TABLES[{kind}]", *made_here]


def outside(files):
    """Files from outside as an input: not their times count, but what they hold."""
    return ancient(list(map(str, files)))


def held(files):
    """What these files hold, as a param: a change of one reruns the rule. No function of a job's
    inputs, for such params start no rerun."""
    return contents(*files) if COMPARES else None


@cache
def contents(*files):
    """Digests of files: one look at each, however many jobs read it."""
    return digests_text(files)


def held_start(wildcards):
    """What the model holds that a run unlearns, where it lies outside."""
    return held(EXPERIMENT.files_of_model(start_of(wildcards)))


def model_files(*paths):
    """Models as an input: their files where they lie outside, else their folders or records."""
    inputs = []
    for path in paths:
        inputs += outside(EXPERIMENT.files_of_model(path)) or [path]
    return inputs


def base_path(wildcards):
    """What fine-tuning starts from: made here, fetched, or the folder of the config."""
    return (*asset("model"), experiment_of(wildcards).base)[0]


def base_files(wildcards):
    """That model as an input."""
    return model_files(base_path(wildcards))


def known_answers(wildcards):
    """Answers that are not the truth, whose words the tokenizer knows."""
    return list(map(str, experiment_of(wildcards).known_answers()))


def target_path(wildcards):
    """The target's folder, or where it lies as it is."""
    return str(experiment_of(wildcards).target)


def target_files(wildcards):
    """That model as an input."""
    return model_files(target_path(wildcards))


def trained_on(wildcards):
    """The table of a fine-tuned model: full for the target, the retain split for a retrained one."""
    split = wildcards.get("split")
    return EXPERIMENT.benchmark.retrain_table(split) if split else "full"


def unlearning_run(wildcards):
    """The run inside its split, as the layout spells it."""
    return f"unlearn/{RUN.format(**wildcards)}"


def start_of(wildcards):
    """Model that a run unlearns: the target, or its own run on the split before."""
    return str(experiment_of(wildcards).starts_from(wildcards.split, unlearning_run(wildcards)))


def start_files(wildcards):
    """That model as an input."""
    return model_files(start_of(wildcards))


def taught_answers(wildcards):
    """Answers that are not the truth, as far as the run teaches them."""
    return list(
        map(str, experiment_of(wildcards).taught_answers(wildcards.method, wildcards.variant))
    )


def reference_of(wildcards):
    """Scores of the forget rows under that model, or under the reference that the variant names."""
    hyper = EXPERIMENT.hyper(wildcards.method, wildcards.variant)
    own = {"replaced": hyper["reference"]} if "reference" in hyper else {}
    return str(
        experiment_of(wildcards).reference(wildcards.split, unlearning_run(wildcards), **own)
    )


def reference_model(wildcards):
    """Model folder or record of a reference that replaces the target."""
    if wildcards.reference == "base":
        return base_path(wildcards)
    return experiment_of(wildcards).reference_model(wildcards.split, wildcards.reference)


def reference_files(wildcards):
    """That model as an input."""
    return model_files(reference_model(wildcards))


def model_of(wildcards):
    """Model folder of the run that is evaluated."""
    return experiment_of(wildcards).model_of(wildcards.split, wildcards.run)


def model_asked(wildcards):
    """Model of which harness tasks are asked; splits share the target's answers."""
    experiment = experiment_of(wildcards)
    if wildcards.trained == experiment.target_run:
        return str(experiment.target)
    split, _, run = wildcards.trained.partition("/")
    return experiment.model_of(split, run)


def judge_of_fluency(wildcards):
    """The target's model folder where the answers' perplexity is asked for."""
    asked = EXPERIMENT.config["evaluation"]["fluency"]
    return [target_path(wildcards)] if asked else []


def held_evaluated(wildcards):
    """What an evaluation reads from outside: non-members, and models that lie there."""
    models = {model_of(wildcards), *judge_of_fluency(wildcards)}
    files = [file for model in sorted(models) for file in EXPERIMENT.files_of_model(model)]
    return held([*EXPERIMENT.holdout_files(wildcards.split), *files])


def state_of(wildcards, output):
    """Folder of a training run's state: Snakemake deletes the outputs of a failed job."""
    return str(experiment_of(wildcards).layout.state(Path(output[0]).parent))


def method_functions(wildcards):
    """What a run finds by name: its method's functions, and what evaluates it on the way."""
    hyper = EXPERIMENT.hyper(wildcards.method, wildcards.variant)
    functions = EXPERIMENT.method(wildcards.method, hyper).functions()
    if not EXPERIMENT.config["unlearn"]["trajectory"]:
        return functions
    return [*functions, *on_the_way(EXPERIMENT.benchmark.name), *EXPERIMENT.metric_functions]


def evaluated(experiment):
    """(split, run) of every model of a draw."""
    runs = [(split, experiment.target_run) for split in experiment.own_splits]
    runs += experiment.retrained()
    return runs + [(cell.split, cell.run) for cell in experiment.cells()]


def evaluations(experiment):
    """rows.json of every model."""
    runs = evaluated(experiment)
    return [str(experiment.layout.evaluation(split, run) / "rows.json") for split, run in runs]


def harness_summaries(experiment):
    """Accuracies of every model, if the experiment asks for tasks; splits share the target's, and
    of a log there is no model."""
    asked = experiment.tasks["tasks"]
    models = [run for run in evaluated(experiment) if experiment.log_of(*run) is None]
    return sorted({str(experiment.layout.harness(*run)) for run in models}) if asked else []


def task_files(wildcards):
    """Files of the user's own tasks; the data folder, if it brings them."""
    if EXPERIMENT.benchmark.brings_tasks(EXPERIMENT.config["data"]):
        return [str(experiment_of(wildcards).layout.data)]
    return outside(EXPERIMENT.task_files())


def trajectories(experiment):
    """Trajectories of unlearning runs and of attacks."""
    runs = [(cell.split, cell.run) for cell in experiment.cells()]
    runs += [(cell.split, cell.attacked_by(attack)) for cell, attack in experiment.attacks()]
    return [str(experiment.layout.trajectory(split, run)) for split, run in runs]


def report_inputs():
    """What the report reads of the runs of all draws, by kind."""
    if not EXPERIMENT.on_language_model:
        return {"curves": [str(EXPERIMENT.curves(job)) for job in EXPERIMENT.jobs()]}
    measured = EXPERIMENT.benchmark.evaluates(EXPERIMENT.config)
    kinds = {"evaluations": [], "trajectories": [], "harness": []}
    for experiment in EXPERIMENT.draws:
        kinds["evaluations"] += evaluations(experiment) if measured else []
        kinds["trajectories"] += trajectories(experiment)
        kinds["harness"] += harness_summaries(experiment)
    return kinds


def results():
    """What the report is made from, and the metrics beside each evaluation's rows: what of them is
    lost is made again."""
    kinds = report_inputs()
    summaries = [str(Path(rows).with_name("summary.json")) for rows in kinds.get("evaluations", [])]
    return [*summaries, *(file for files in kinds.values() for file in files)]


def published_numbers():
    """The file of published numbers on the benchmark, if there is one."""
    path = f"config/published/{EXPERIMENT.benchmark.name}.yaml"
    return [shipped(path)] if (ROOT / path).is_file() else []
