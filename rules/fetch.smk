# What comes from the hub: models, data set, data of harness tasks. Every other job runs with the
# hub switched off. Output: a record of the commit and of each file's checksum, by which later stages
# find the files in the cache. Experiments without anything from the hub have no such job.


rule fetch:
    """Take it from the hub, unless the cache has it, and compare it with the hub's checksums."""
    input:
        tasks=lambda wildcards: task_files(wildcards) if wildcards.asset == "harness" else [],
    output:
        record=LAYOUT.assets / "{asset}.json",
    log:
        f"{SHARED}/logs/fetch/{{asset}}.log",
    benchmark:
        f"{SHARED}/benchmarks/fetch/{{asset}}.tsv"
    wildcard_constraints:
        asset="|".join(map(re.escape, ASSETS)) or "none",
    params:
        digests=lambda wildcards: content_digests(
            EXPERIMENT.task_files() if wildcards.asset == "harness" else []
        ),
        settings=lambda wildcards: as_json(ASSETS[wildcards.asset]),
    shell:
        "HF_HUB_OFFLINE=$HUB_AS_SET python -m unlearning fetch"
        " --settings {params.settings:q}"
        " --out {output.record:q}"
        " > {log:q} 2>&1"
