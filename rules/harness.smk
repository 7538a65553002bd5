# Accuracy on lm-evaluation-harness tasks (WMDP, MMLU, the user's own): only if the config names any.


rule harness:
    """Take the accuracy of the target, a retrained or an unlearned model."""
    input:
        model=lambda wildcards: model_files(harness_model(wildcards)),
        tasks=task_files,
        data=asset("harness"),
    output:
        summary=f"{WORLD}/{{trained}}/harness/summary.json",
    log:
        f"{LOGS}/harness/{{trained}}.log",
    benchmark:
        f"{BENCHMARKS}/harness/{{trained}}.tsv"
    wildcard_constraints:
        trained=f"base|target/given|(finetune|({SPLIT})/(retrain|unlearn))/.+",
    threads: RESOURCES["threads"]
    resources:
        **job_resources(min(1, RESOURCES["gpus"])),  # each model on one GPU
        batch_size=EXPERIMENT.config["harness"]["batch_size"],
    params:
        model=harness_model,
        digests=lambda wildcards: content_digests(
            [*EXPERIMENT.task_files(), *EXPERIMENT.files_of_model(harness_model(wildcards))]
        ),
        settings=lambda wildcards: as_json(experiment_of(wildcards).harness_settings()),
        code=code("unlearning.stages.harness"),
        folder=subpath(output.summary, parent=True),
    shell:
        "python -m unlearning --processes {resources.processes} harness"
        " --model {params.model:q}"
        " --settings {params.settings:q}"
        " --batch-size {resources.batch_size}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
