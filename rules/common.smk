# The validated experiment, and the functions and names that rules share. No rules in this file.

import json
import os
import re
import shlex
import sys
from functools import cache
from tempfile import TemporaryDirectory

ROOT = Path(workflow.basedir)
PROJECT_PATH = os.path.relpath(ROOT)  # "." where it is started in the project's folder
sys.path.insert(0, str(ROOT / "workflow"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_executor_plugins.settings import ExecMode

from unlearning.benchmark import OTHER_ANSWERS, on_the_way
from unlearning.cluster.cancelled import without_retries_of_cancelled_jobs
from unlearning.cluster.reachable import with_reachable_scheduler
from unlearning.config.entries import typed_values
from unlearning.config.judged import assets_of
from unlearning.config.reading import read_experiment, ready_experiment
from unlearning.devices import gpus_for
from unlearning.errors import UserError
from unlearning.fingerprint import fingerprint
from unlearning.methods.references import PATTERN as REFERENCES
from unlearning.methods.references import TARGET
from unlearning.outside import digests_text
from unlearning.reporting.section import sections

# Resources that the profile sets for every job of this site, such as the names of its GPUs.
DEFAULTS = workflow.resource_settings.default_resources
SITE = dict(argument.split("=", 1) for argument in DEFAULTS.args) if DEFAULTS else {}

without_retries_of_cancelled_jobs(Executor)
with_reachable_scheduler(Executor)


def site_values():
    """Key of the profile -> its values: the one for all jobs, then those of single rules."""
    values = {key: [value] for key, value in SITE.items()}
    for resources in workflow.resource_settings.overwrite_resources.values():
        for key, resource in resources.items():
            values.setdefault(key, []).append(str(resource.raw))
    return values


def load():
    """The experiment of this run. Before any job, all problems of its config are reported at once."""
    try:
        # Snakemake's own reading loses keys that are stated twice, and types of the command line
        values = typed_values(workflow.config_settings.config_args)
        files = map(Path, workflow.configfiles)
        if workflow.exec_mode != ExecMode.DEFAULT:  # a job of a run that has been checked
            return read_experiment(files, values, ROOT)
        experiment = ready_experiment(files, values, ROOT, site_values())
        # imported late because it loads scipy, and each job of a cluster reads this file
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
# Draw as paths spell it -> the experiment in it. With draw 1 only, rules have no such wildcard.
DRAWS = {}
for experiment in EXPERIMENT.draws:
    DRAWS[str(experiment.layout.root).removeprefix(SHARED)] = experiment
WORLD = SHARED if [*DRAWS] == [""] else f"{SHARED}{{draw}}"
TABLES = WORLD if EXPERIMENT.draws_tables else SHARED
LOGS = f"{WORLD}/logs"
BENCHMARKS = f"{WORLD}/benchmarks"
RESOURCES = EXPERIMENT.config["resources"]
# from the hub; no member of the experiment, for whatever reads one would reach the code of checks
ASSETS = assets_of(EXPERIMENT) if EXPERIMENT.on_language_model else {}
# of the report's page
SECTIONS = sections(EXPERIMENT.benchmark.name, EXPERIMENT.benchmark.sections)
# no message: the last line that workflow/snakemake_logger_plugin_unlearning prints
logger.info("", extra={"report": f"{LAYOUT.report}/index.html"})
RUN = "{method}/{variant}/seed={seed}"  # an unlearning run inside its split and stage

SPLIT = EXPERIMENT.benchmark.split_pattern  # of forget splits

# If unlearning runs may share a process, their stages send them to a worker of this Snakemake process.
WORKER_VARIABLE = ""
if RESOURCES["cells_per_job"] > 1:
    WORKER = TemporaryDirectory(prefix="unlearning-")
    address = f"{WORKER.name}:{os.getpid()}:{RESOURCES['cells_per_job']}"
    WORKER_VARIABLE = f" UNLEARNING_WORKER={shlex.quote(address)}"

# Bash ignores the signals so that it waits until its stage, which gets them too, has written its state.
# Only rule fetch contacts the hub, as far as the user's own setting allows it.
shell.prefix(
    "set -euo pipefail; trap : TERM USR1;"
    " export HUB_AS_SET=${{HF_HUB_OFFLINE:-}} HF_HUB_OFFLINE=1"
    f"{WORKER_VARIABLE}; "
)


def experiment_of(wildcards):
    """The experiment in a job's draw."""
    return DRAWS[wildcards.get("draw", "")]


def job_resources(gpus):
    """Resources of a job. Its second attempt, after too little memory or time, gets twice as much."""
    resources = {
        "processes": gpus,
        "gpu": gpus,  # --gpus=N, with the site's gpu_model --gpus=MODEL:N
        "mem_mb": lambda wildcards, attempt: RESOURCES["mem_mb"] * attempt,
        "runtime": lambda wildcards, attempt: RESOURCES["runtime"] * attempt,
    }
    if "gres" in SITE:  # the executor sends both --gpus and --gres, so one of them goes
        resources |= {"gpu": None, "gpu_model": None, "gres": f"{SITE['gres']}:{gpus}"}
    if not gpus:
        resources |= {"gpu_model": None, "gres": None}
    return resources


def require_gpus():
    """Before the first job, refuse jobs of more GPUs than this machine has. On a cluster it is nodes
    that need them, whose scheduler knows."""
    gpus = RESOURCES.get("gpus", 0)  # studies without a language model run on the CPU
    if not workflow.local_exec or not gpus:
        return
    try:
        if not gpus_for(gpus):
            logger.warning(
                f"resources.gpus is {gpus}, and no NVIDIA GPU can be used here: jobs run on GPUs of other"
                " makers if torch finds any, else on the CPU"
            )
    except UserError as error:
        raise WorkflowError(f"The configuration cannot be run here:\n{error}") from None


def lone_job_threads(threads):
    """Threads of a job that nothing can run in parallel with: on this machine at least two, which
    compute the same bits as one; on a cluster as many as the config states."""
    if workflow.exec_mode != ExecMode.DEFAULT:
        return threads
    cores = workflow.resource_settings.cores or 1
    return max(threads, min(2, cores))


def fit(stage):
    """Memory layout and sharding of a stage, as resources: a change of resources reruns nothing."""
    return {"fit": json.dumps(EXPERIMENT.fit(stage)), "sharding": RESOURCES["sharding"]}


def unlearned_model(folder):
    """Folder of an unlearned model: removed after its last use, unless the config keeps models."""
    return folder if EXPERIMENT.config["keep_models"] else temp(folder)


# A job of a cluster plans its run anew, so it needs the params that start reruns. The process of a job
# on this machine does not.
NEEDS_DIGESTS = workflow.exec_mode != ExecMode.SUBPROCESS


def code(*entries):
    """Digest of the code of a stage. As a param, it makes an edit rerun its stages and no others."""
    return fingerprint(*entries, *EXPERIMENT.table_entries) if NEEDS_DIGESTS else None


def as_json(settings):
    """Settings as one param, because Snakemake compares params as a set of values without names.

    Rules call it in a lambda: in any other param Snakemake takes braces within a text for wildcards.
    """
    return json.dumps(settings, sort_keys=True)


def project_file(path):
    """A file of the project as seen from the folder that Snakemake works in: Snakemake remembers
    inputs as they are spelled, and a project that has moved must rerun nothing."""
    return os.path.normpath(os.path.join(PROJECT_PATH, path))


def page_parts():
    """Templates, styles, scripts and citations that the report's page is made of."""
    paths = [ROOT / "CITATION.cff", ROOT / "config/citations.yaml", *ROOT.glob("reports/page/*")]
    paths += [section.template for section in SECTIONS]
    for folder in {section.path.parent for section in SECTIONS}:
        paths += folder.glob("*.js")
    return sorted(project_file(path.relative_to(ROOT)) for path in paths)


def asset(name):
    """Record of rule fetch for a model or data set; none if it is not from the hub."""
    return [str(LAYOUT.assets / f"{name}.json")] if name in ASSETS else []


def data_records():
    """Records of rule fetch for the data."""
    names = [name for name in ASSETS if name.startswith("data")]
    return [str(LAYOUT.assets / f"{name}.json") for name in names]


def tables_code():
    """Code that stage data finds by name in the benchmark's folder: only that which makes the tables
    of the experiment's source."""
    data = EXPERIMENT.config["data"]
    tasks = ["data:write_tasks"] if EXPERIMENT.benchmark.brings_tasks(data) else []
    return EXPERIMENT.code_of("data:TABLES", f"data:TABLES[{data['source']}]", *tasks)


def answers_code(wildcards):
    """Code that stage answers finds by name for a kind of answers: code of the benchmark's folder
    only if the user names no file of them."""
    kind = wildcards.kind
    entries = [f"unlearning.stages.answers:TABLES[{kind}]"]
    if EXPERIMENT.config["data"].get(OTHER_ANSWERS[kind]) is None:
        entries += EXPERIMENT.code_of(f"data:{kind}")
    return entries


def external_files(files):
    """The user's files as an input. Their times start no rerun: content_digests() does, as a param."""
    return ancient(list(map(str, files)))


def content_digests(files):
    """Digests of the contents of files, as a param: a change of a file reruns the rule. (Params that
    are functions of a job's inputs start no rerun.)"""
    return digests_of(*files) if NEEDS_DIGESTS else None


@cache
def digests_of(*files):
    """Digests of files, each file read once for all jobs."""
    return digests_text(files)


def start_digests(wildcards):
    """Digests of the model that a run unlearns, if it is the user's."""
    return content_digests(EXPERIMENT.files_of_model(start_of(wildcards)))


def model_files(*paths):
    """Models as an input: the files of the user's models, the folders or records of others."""
    inputs = []
    for path in paths:
        inputs += external_files(EXPERIMENT.files_of_model(path)) or [path]
    return inputs


def base_path(wildcards):
    """The base model that fine-tuning starts from: its folder, or the record of rule fetch."""
    if "model" in ASSETS:
        return str(LAYOUT.assets / "model.json")
    return experiment_of(wildcards).base


def base_files(wildcards):
    """The base model as an input."""
    return model_files(base_path(wildcards))


def tokenizer_answers(wildcards):
    """Folders of refusals and false answers that a tokenizer trained here must know the words of."""
    return list(map(str, experiment_of(wildcards).tokenizer_answers()))


def target_path(wildcards):
    """The target's folder, or the record of rule fetch."""
    return str(experiment_of(wildcards).target)


def target_files(wildcards):
    """The target as an input."""
    return model_files(target_path(wildcards))


def training_table(wildcards):
    """The table that a model is fine-tuned on: full for the target, a retain split for retraining."""
    split = wildcards.get("split")
    return EXPERIMENT.benchmark.retrain_table(split) if split else "full"


def unlearning_run(wildcards):
    """Name of an unlearning run inside its split, as config/layout.py builds it."""
    return f"unlearn/{RUN.format(**wildcards)}"


def start_of(wildcards):
    """The model that a run unlearns: the target, or the model of the same run on the previous split."""
    return str(experiment_of(wildcards).starts_from(wildcards.split, unlearning_run(wildcards)))


def start_files(wildcards):
    """The model that a run unlearns, as an input."""
    return model_files(start_of(wildcards))


def training_answers(wildcards):
    """Folders of the refusals and false answers that an unlearning run trains on."""
    experiment = experiment_of(wildcards)
    return list(map(str, experiment.training_answers(wildcards.method, wildcards.variant)))


def reference_of(wildcards):
    """Scores of the forget rows under a run's reference model, which its variant may name."""
    hyper = EXPERIMENT.hyper(wildcards.method, wildcards.variant)
    reference = hyper.get("reference", TARGET)
    run = unlearning_run(wildcards)
    return str(experiment_of(wildcards).reference(wildcards.split, run, reference))


def reference_model(wildcards):
    """Folder or record of a reference model that is not the target."""
    if wildcards.reference == "base":
        return base_path(wildcards)
    return experiment_of(wildcards).reference_model(wildcards.split, wildcards.reference)


def reference_files(wildcards):
    """A reference model that is not the target, as an input."""
    return model_files(reference_model(wildcards))


def model_of(wildcards):
    """Folder or record of the model that is evaluated."""
    return experiment_of(wildcards).model_of(wildcards.split, wildcards.run)


def harness_model(wildcards):
    """The model that is evaluated on harness tasks. All splits share the target's accuracies."""
    experiment = experiment_of(wildcards)
    if wildcards.trained == experiment.target_run:
        return str(experiment.target)
    split, _, run = wildcards.trained.partition("/")
    return experiment.model_of(split, run)


def fluency_judge(wildcards):
    """The target, which scores the fluency of answers, if the config asks for it."""
    return [target_path(wildcards)] if EXPERIMENT.config["evaluation"]["fluency"] else []


def evaluation_digests(wildcards):
    """Digests of the user's files that an evaluation reads: the table of non-members, and models."""
    files = list(EXPERIMENT.holdout_files(wildcards.split))
    for model in sorted({model_of(wildcards), *fluency_judge(wildcards)}):
        files += EXPERIMENT.files_of_model(model)
    return content_digests(files)


def state_of(wildcards, output):
    """Folder of a training run's state. It is no output: Snakemake deletes those of a failed job."""
    return str(experiment_of(wildcards).layout.state(Path(output[0]).parent))


def method_functions(wildcards):
    """Functions that an unlearning run finds by name: its method's, and those of its evaluations."""
    hyper = EXPERIMENT.hyper(wildcards.method, wildcards.variant)
    functions = EXPERIMENT.method(wildcards.method, hyper).functions()
    if not EXPERIMENT.config["unlearn"]["trajectory"]:
        return functions
    return [*functions, *on_the_way(EXPERIMENT.benchmark.name), *EXPERIMENT.metric_functions]


def evaluated_runs(experiment):
    """(split, run) of every model of a draw."""
    runs = [(split, experiment.target_run) for split in experiment.own_splits]
    runs += experiment.retrained()
    return runs + [(cell.split, cell.run) for cell in experiment.cells()]


def evaluations(experiment):
    """rows.json of every model."""
    runs = evaluated_runs(experiment)
    return [str(experiment.layout.evaluation(split, run) / "rows.json") for split, run in runs]


def harness_summaries(experiment):
    """Accuracies of every model on the experiment's harness tasks. Splits share the target's; of a
    model that is known by its log there are none."""
    if not experiment.tasks["tasks"]:
        return []
    models = [run for run in evaluated_runs(experiment) if experiment.log_of(*run) is None]
    return sorted({str(experiment.layout.harness(*run)) for run in models})


def task_files(wildcards):
    """Files of the user's harness tasks; the folder of tables, if the data bring tasks."""
    if EXPERIMENT.benchmark.brings_tasks(EXPERIMENT.config["data"]):
        return [str(experiment_of(wildcards).layout.data)]
    return external_files(EXPERIMENT.task_files())


def trajectories(experiment):
    """Trajectories of unlearning runs and of attacks."""
    runs = [(cell.split, cell.run) for cell in experiment.cells()]
    runs += [(cell.split, cell.attacked_by(attack)) for cell, attack in experiment.attacks()]
    return [str(experiment.layout.trajectory(split, run)) for split, run in runs]


def report_inputs():
    """Kind of file -> the files of all draws' runs that the report reads."""
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
    """The report's inputs, and the summary of each evaluation: if one is lost, it is made again."""
    kinds = report_inputs()
    files = [str(Path(rows).with_name("summary.json")) for rows in kinds.get("evaluations", [])]
    for kind in kinds.values():
        files += kind
    return files


def published_numbers():
    """The file of published numbers on the benchmark, if there is one."""
    path = f"config/published/{EXPERIMENT.benchmark.name}.yaml"
    return [project_file(path)] if (ROOT / path).is_file() else []
