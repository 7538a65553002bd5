# Log-probabilities under the target model, once for all methods and seeds. A run that goes on from
# an earlier one (MUSE's sustainability) has that model as its reference, as released.


rule reference:
    """Score the forget split under the target model."""
    input:
        data=rules.data.output.folder,
        model=target_files,
    output:
        scores=f"{WORLD}/{{split}}/reference/forget.json",
    log:
        f"{LOGS}/reference/{{split}}.log",
    benchmark:
        f"{BENCHMARKS}/reference/{{split}}.tsv"
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
    params:
        model=target_path,
        digests=lambda wildcards: content_digests(EXPERIMENT.files_of_model(str(EXPERIMENT.target))),
        settings=lambda wildcards: as_json(EXPERIMENT.reference_settings()),
        code=code("unlearning.stages.reference"),
    shell:
        "python -m unlearning --processes {resources.processes} reference"
        " --model {params.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --settings {params.settings:q}"
        " --out {output.scores:q}"
        " > {log:q} 2>&1"


use rule reference as reference_on_the_way with:
    input:
        data=rules.data.output.folder,
        model=start_files,
    output:
        scores=f"{WORLD}/{{split}}/reference/{RUN}/forget.json",
    log:
        f"{LOGS}/reference/{{split}}/{RUN}.log",
    benchmark:
        f"{BENCHMARKS}/reference/{{split}}/{RUN}.tsv"
    params:
        model=start_of,
        digests=start_digests,


rule replaced_reference:
    """Score the forget split under another reference: base, retrained, or target with noise."""
    input:
        data=rules.data.output.folder,
        model=reference_files,
    output:
        scores=f"{WORLD}/{{split}}/reference/{{reference}}/forget.json",
    log:
        f"{LOGS}/reference/{{split}}/{{reference}}.log",
    benchmark:
        f"{BENCHMARKS}/reference/{{split}}/{{reference}}.tsv"
    wildcard_constraints:
        reference=REFERENCES,
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
    params:
        model=reference_model,
        digests=lambda wildcards: content_digests(
            EXPERIMENT.files_of_model(reference_model(wildcards))
        ),
        settings=lambda wildcards: as_json(
            experiment_of(wildcards).reference_settings(wildcards.reference)
        ),
        code=code("unlearning.stages.reference"),
    shell:
        "python -m unlearning --processes {resources.processes} reference"
        " --model {params.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --settings {params.settings:q}"
        " --out {output.scores:q}"
        " > {log:q} 2>&1"
