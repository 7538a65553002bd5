# A retrained model that the config knows by its evaluation log alone: the log as an evaluation.
# Input: the log, of whatever format. Output: what rule evaluate makes of a model.

if EXPERIMENT.log_splits():

    ruleorder: import_log > evaluate

    rule import_log:
        """Take a retrained model's evaluation from its log."""
        input:
            data=rules.data.output.folder,
            log=lambda wildcards: external_files(EXPERIMENT.log_files(wildcards.split)),
        output:
            rows=f"{WORLD}/{{split}}/{{run}}/evaluate/rows.json",
            summary=f"{WORLD}/{{split}}/{{run}}/evaluate/summary.json",
        log:
            f"{LOGS}/import_log/{{split}}/{{run}}.log",
        benchmark:
            f"{BENCHMARKS}/import_log/{{split}}/{{run}}.tsv"
        wildcard_constraints:
            split="|".join(EXPERIMENT.log_splits()),
            run="retrain/given",
        priority: 1  # a log of other rows ends the run before it unlearns
        resources:
            **job_resources(0),
        params:
            log=lambda wildcards: EXPERIMENT.log_of(wildcards.split, wildcards.run),
            digests=lambda wildcards: content_digests(EXPERIMENT.log_files(wildcards.split)),
            rows=EXPERIMENT.config["evaluation"]["rows"] or [],
            # a holdout file's rows have been compared before any job
            attacks=lambda wildcards: (
                []
                if EXPERIMENT.holdout_files(wildcards.split)
                else EXPERIMENT.config["evaluation"]["membership"]
            ),
            code=code(*EXPERIMENT.code_of("stages.import_log")),
            folder=subpath(output.rows, parent=True),
        shell:
            "python -m unlearning import_log"
            " --log {params.log:q}"
            " --data {input.data:q}"
            " --split {wildcards.split}"
            " --rows {params.rows}"
            " --attacks {params.attacks}"
            " --out {params.folder:q}"
            " > {log:q} 2>&1"
