# Unlearning: one job for each split, method, variant (point of its grid) and seed.


rule unlearn:
    """Unlearn a forget split with one method and seed: from the target, or from a run before."""
    input:
        data=rules.data.output.folder,
        model=start_files,
        reference=reference_of,
        answers=training_answers,
    output:
        model=unlearned_model(directory(f"{WORLD}/{{split}}/unlearn/{RUN}/model")),
        trajectory=f"{WORLD}/{{split}}/unlearn/{RUN}/trajectory.json",
    log:
        f"{LOGS}/unlearn/{{split}}/{RUN}.log",
    benchmark:
        f"{BENCHMARKS}/unlearn/{{split}}/{RUN}.tsv"
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
        **fit("unlearn"),
        checkpoint_minutes=RESOURCES["checkpoint_minutes"],
    params:
        model=start_of,
        digests=start_digests,
        state=state_of,
        retain=lambda wildcards: EXPERIMENT.benchmark.retain_table(wildcards.split),
        settings=lambda wildcards: as_json(
            EXPERIMENT.method_settings(wildcards.method, wildcards.variant, wildcards.split)
        ),
        code=lambda wildcards: code("unlearning.stages.unlearn", *method_functions(wildcards)),
    shell:
        "python -m unlearning --processes {resources.processes}"
        " --sharding {resources.sharding} unlearn"
        " --model {params.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --retain {params.retain}"
        " --reference {input.reference:q}"
        " --answers {input.answers:q}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --fit {resources.fit:q}"
        " --out {output.model:q}"
        " --trajectory {output.trajectory:q}"
        " --state {params.state:q}"
        " --checkpoint-minutes {resources.checkpoint_minutes}"
        " > {log:q} 2>&1"
