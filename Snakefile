from snakemake.utils import min_version

min_version("9.0")


# The experiment is a config file of its own; the mini world is the default.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"


report: "reports/workflow.rst"


# Built from envs/Containerfile; used only with --software-deployment-method apptainer.
container: project_file("unlearning.sif")


# Under a scheduler these stay where snakemake runs: seconds without a model, and the hub is often
# within reach of login nodes only.
localrules:
    report,


wildcard_constraints:
    draw="|".join(map(re.escape, DRAWS)),
    split=SPLIT,
    seed=r"\d+",
    method="|".join(map(re.escape, EXPERIMENT.config.get("methods", []))),
    variant=r"[^/]+",
    attack="random|shortest",
    fraction=r"[^/]+",


if not EXPERIMENT.on_language_model:

    include: f"rules/{EXPERIMENT.benchmark.name}.smk"

else:

    localrules:
        fetch,
        data,
        answers,

    include: "rules/fetch.smk"
    include: "rules/data.smk"
    include: "rules/pretrain.smk"
    include: "rules/restore.smk"

    if EXPERIMENT.fine_tunes or EXPERIMENT.retrains:

        include: "rules/finetune.smk"
        include: "rules/retrain.smk"
    include: "rules/reference.smk"
    include: "rules/unlearn.smk"
    include: "rules/relearn.smk"
    include: "rules/evaluate.smk"
    include: "rules/import_log.smk"
    include: "rules/harness.smk"


include: "rules/report.smk"


onstart:
    require_gpus()


rule all:
    """The report, and every result that it is made from."""
    default_target: True
    input:
        rules.report.output,
        results(),
