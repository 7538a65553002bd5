# The target model: the base fine-tuned on full. Every forget split shares it.


rule finetune:
    """Fine-tune the base model on full: the target of unlearning."""
    input:
        data=rules.data.output.folder,
        base=base_files,
    output:
        model=directory(f"{WORLD}/finetune/seed={{seed}}/model"),
    log:
        f"{LOGS}/finetune/seed={{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetune/seed={{seed}}.tsv"
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
        **fit("finetune"),
        checkpoint_minutes=RESOURCES["checkpoint_minutes"],
    params:
        state=state_of,
        base=base_path,
        table=training_table,
        settings=lambda wildcards: as_json(EXPERIMENT.finetune_settings()),
        code=code("unlearning.stages.finetune"),
        digests=lambda wildcards: content_digests(EXPERIMENT.files_of_model(EXPERIMENT.base)),
    shell:
        "python -m unlearning --processes {resources.processes}"
        " --sharding {resources.sharding} finetune"
        " --model {params.base:q}"
        " --data {input.data:q}"
        " --table {params.table}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --fit {resources.fit:q}"
        " --out {output.model:q}"
        " --state {params.state:q}"
        " --checkpoint-minutes {resources.checkpoint_minutes}"
        " > {log:q} 2>&1"
