# Tables of the world. Input: the config's data section. Output: JSON lines in TOFU's format.


rule data:
    """Write full, forget and retain splits, perturbed sets and answers of ignorance."""
    input:
        outside=outside(EXPERIMENT.data_files()),
        snapshot=[record for name in ASSETS if name.startswith("data") for record in asset(name)],
    output:
        folder=directory(f"{WORLD}/data"),
    log:
        f"{LOGS}/data.log",
    benchmark:
        f"{BENCHMARKS}/data/data.tsv"
    params:
        splits=EXPERIMENT.tables,
        settings=as_json(EXPERIMENT.config["data"]),
        code=code("unlearning.stages.data", *EXPERIMENT.code_of("data")),
        held=held(EXPERIMENT.data_files()),
    shell:
        "python -m unlearning data"
        " --splits {params.splits:q}"
        " --snapshot {input.snapshot:q}"
        " --settings {params.settings:q}"
        " --out {output.folder:q}"
        " > {log:q} 2>&1"
