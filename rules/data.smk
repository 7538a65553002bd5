# Tables of the world. Input: the config's data section. Output: JSON lines in TOFU's format.
# Answers that are not the truth are outputs of their own: only what reads them follows them.


rule data:
    """Write full, forget and retain splits, and perturbed sets."""
    input:
        external=external_files(EXPERIMENT.data_files()),
        snapshot=data_records(),
    output:
        folder=directory(f"{TABLES}/data"),
    log:
        f"{TABLES}/logs/data.log",
    benchmark:
        f"{TABLES}/benchmarks/data/data.tsv"
    params:
        splits=EXPERIMENT.tables,
        settings=lambda wildcards: as_json(experiment_of(wildcards).data_settings()),
        code=code("unlearning.stages.data", *tables_code()),
        digests=lambda wildcards: content_digests(EXPERIMENT.data_files()),
    shell:
        "python -m unlearning data"
        " --splits {params.splits:q}"
        " --snapshot {input.snapshot:q}"
        " --settings {params.settings:q}"
        " --out {output.folder:q}"
        " > {log:q} 2>&1"


rule answers:
    """Write refusals, or plausible false answers to the forget questions."""
    input:
        external=lambda wildcards: external_files(EXPERIMENT.answer_files(wildcards.kind)),
        data=lambda wildcards: (
            [str(experiment_of(wildcards).layout.data)] if wildcards.kind == "alternatives" else []
        ),
        snapshot=lambda wildcards: data_records() if wildcards.kind == "refusals" else [],
    output:
        folder=directory(f"{TABLES}/answers/{{kind}}"),
    log:
        f"{TABLES}/logs/answers/{{kind}}.log",
    benchmark:
        f"{TABLES}/benchmarks/answers/{{kind}}.tsv"
    wildcard_constraints:
        kind="refusals|alternatives",
    params:
        splits=EXPERIMENT.tables,
        settings=lambda wildcards: as_json(experiment_of(wildcards).data_settings(wildcards.kind)),
        code=lambda wildcards: code("unlearning.stages.answers", *answers_code(wildcards)),
        digests=lambda wildcards: content_digests(EXPERIMENT.answer_files(wildcards.kind)),
    shell:
        "python -m unlearning answers"
        " --kinds {wildcards.kind}"
        " --data {input.data:q}"
        " --splits {params.splits:q}"
        " --snapshot {input.snapshot:q}"
        " --settings {params.settings:q}"
        " --out {output.folder:q}"
        " > {log:q} 2>&1"
