# Relearning attacks on unlearned models: does a little of the forget set bring back the rest?

# of several shares of the forget set the paths spell the attacker's
SHARES = isinstance(EXPERIMENT.config["relearn"]["fraction"], list)
ATTACK = "{attack}/fraction={fraction}" if SHARES else "{attack}"


rule relearn:
    """Fine-tune an unlearned model on a part of the forget split, evaluating after each epoch."""
    input:
        data=rules.data.output.folder,
        model=rules.unlearn.output.model,
    output:
        trajectory=f"{WORLD}/{{split}}/relearn/{RUN}/{ATTACK}/trajectory.json",
    log:
        f"{LOGS}/relearn/{{split}}/{RUN}/{ATTACK}.log",
    benchmark:
        f"{BENCHMARKS}/relearn/{{split}}/{RUN}/{ATTACK}.tsv"
    threads: RESOURCES["threads"]
    resources:
        **job_resources(RESOURCES["gpus"]),
        **fit("relearn"),
        checkpoint_minutes=RESOURCES["checkpoint_minutes"],
    params:
        # no digests of files: the model is always one that was unlearned here
        state=state_of,
        settings=lambda wildcards: as_json(EXPERIMENT.relearn_settings(ATTACK.format(**wildcards))),
        code=code("unlearning.stages.relearn", *on_the_way(EXPERIMENT.benchmark.name)),
    shell:
        "python -m unlearning --processes {resources.processes}"
        " --sharding {resources.sharding} relearn"
        " --model {input.model:q}"
        " --data {input.data:q}"
        " --split {wildcards.split}"
        " --attack {wildcards.attack}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --fit {resources.fit:q}"
        " --out {output.trajectory:q}"
        " --state {params.state:q}"
        " --checkpoint-minutes {resources.checkpoint_minutes}"
        " > {log:q} 2>&1"
