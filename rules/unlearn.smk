# Unlearning: one job for each split, method, variant (point of its grid) and seed.


rule unlearn:
    """Unlearn the forget split from the target model with one method and seed."""
    input:
        data=rules.data.output.folder,
        model=rules.reference.input.model,
        reference=rules.reference.output.scores,
    output:
        model=directory(f"{WORLD}/{{split}}/unlearn/{RUN}/model"),
        trajectory=f"{WORLD}/{{split}}/unlearn/{RUN}/trajectory.json",
    log:
        f"{LOGS}/unlearn/{{split}}/{RUN}.log",
    benchmark:
        f"{BENCHMARKS}/unlearn/{{split}}/{RUN}.tsv"
    threads: RESOURCES["threads"]
    resources:
        **compute(RESOURCES["gpus"]),
    params:
        retain=lambda wildcards: retain_name(wildcards.split),
        settings=lambda wildcards: as_json(
            EXPERIMENT.method_settings(wildcards.method, wildcards.variant)
        ),
        code=lambda wildcards: code(*method_modules(wildcards)),
    shell:
        "python -m unlearning --processes {resources.processes} unlearn"
        " --model {input.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --retain {params.retain}"
        " --reference {input.reference:q}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --out {output.model:q}"
        " --trajectory {output.trajectory:q}"
        " > {log:q} 2>&1"
