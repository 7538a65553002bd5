# The base model of a GGUF file: quantised weights restored to float32, as an ordinary model folder.
# Input: the file that model.path names. Output: a model folder; its run.json names the file.

if EXPERIMENT.restored:

    rule restore:
        """Restore the base model from the config's GGUF file."""
        input:
            gguf=external_files([EXPERIMENT.config["model"]["path"]]),
        output:
            model=directory(LAYOUT.restored),
        log:
            f"{SHARED}/logs/restore/base.log",
        benchmark:
            f"{SHARED}/benchmarks/restore/base.tsv"
        resources:
            **job_resources(0),
        params:
            code=code("unlearning.stages.restore"),
            digests=lambda wildcards: content_digests([EXPERIMENT.config["model"]["path"]]),
        shell:
            "python -m unlearning restore"
            " --gguf {input.gguf:q}"
            " --out {output.model:q}"
            " > {log:q} 2>&1"
