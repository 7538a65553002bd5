# Evaluation of any model on the four sets of a forget split: a function of the model (and, where
# fluency is asked for, of the target that judges its answers) alone.


rule evaluate:
    """Evaluate the target, a retrained or an unlearned model."""
    input:
        data=rules.data.output.folder,
        model=lambda wildcards: model_files(model_of(wildcards)),
        target=lambda wildcards: model_files(*fluency_judge(wildcards)),
        holdout=lambda wildcards: external_files(EXPERIMENT.holdout_files(wildcards.split)),
    output:
        rows=f"{WORLD}/{{split}}/{{run}}/evaluate/rows.json",
        summary=f"{WORLD}/{{split}}/{{run}}/evaluate/summary.json",
    log:
        f"{LOGS}/evaluate/{{split}}/{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{split}}/{{run}}.tsv"
    wildcard_constraints:
        run="base|target/given|(finetune|retrain|unlearn)/.+",
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
        **fit("evaluate"),
    params:
        model=model_of,
        target=fluency_judge,
        settings=lambda wildcards: as_json(EXPERIMENT.evaluate_settings()),
        code=code(
            "unlearning.stages.evaluate",
            *EXPERIMENT.code_of("evaluator:make_evaluator", "metrics:summary"),
            *EXPERIMENT.metric_functions,
        ),
        digests=evaluation_digests,
        folder=subpath(output.rows, parent=True),
    shell:
        "python -m unlearning --processes {resources.processes} evaluate"
        " --model {params.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --target {params.target:q}"
        " --holdout {input.holdout:q}"
        " --settings {params.settings:q}"
        " --fit {resources.fit:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
