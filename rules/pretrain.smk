# The base model, where it is not given: tokenizer and a small Llama from random weights.

if EXPERIMENT.from_scratch:

    rule pretrain:
        """Train a tokenizer and a small base model on the world's language and facts."""
        input:
            data=rules.data.output.folder,
            answers=tokenizer_answers,
        output:
            model=directory(f"{WORLD}/pretrain/model"),
        log:
            f"{LOGS}/pretrain/base.log",
        benchmark:
            f"{BENCHMARKS}/pretrain/base.tsv"
        threads: lone_job_threads(RESOURCES["threads"])
        resources:
            **job_resources(RESOURCES["gpus"]),
            **fit("pretrain"),
            checkpoint_minutes=RESOURCES["checkpoint_minutes"],
        params:
            state=state_of,
            settings=lambda wildcards: as_json(experiment_of(wildcards).pretrain_settings()),
            code=code("unlearning.stages.pretrain"),
        shell:
            "python -m unlearning --processes {resources.processes}"
            " --sharding {resources.sharding} pretrain"
            " --data {input.data:q}"
            " --answers {input.answers:q}"
            " --settings {params.settings:q}"
            " --fit {resources.fit:q}"
            " --out {output.model:q}"
            " --state {params.state:q}"
            " --checkpoint-minutes {resources.checkpoint_minutes}"
            " > {log:q} 2>&1"
