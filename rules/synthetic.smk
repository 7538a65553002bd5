# A synthetic experiment: one job for each study, setting and seed.


wildcard_constraints:
    study="logistic|divergence",
    chains="length|memorization",
    alpha=r"[\d.e+-]+",  # a number as %g spells it, such as 1e-05


rule unlearn_logistic:
    """Unlearn Gaussian points with every method of a setting."""
    output:
        curves=f"{WORLD}/{{study}}/alpha={{alpha}}/seed={{seed}}/curves.json",
    log:
        f"{LOGS}/{{study}}/alpha={{alpha}}/seed={{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/{{study}}/alpha={{alpha}}/seed={{seed}}.tsv"
    threads: 1
    resources:
        **job_resources(0),
    params:
        settings=lambda w: as_json(EXPERIMENT.job_settings(w.study, f"alpha={w.alpha}")),
        code=lambda w: code(
            "unlearning.benchmarks.synthetic.stages.unlearn_logistic",
            *EXPERIMENT.methods_code(w.study, f"alpha={w.alpha}"),
        ),
    shell:
        "python -m unlearning unlearn_logistic"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --out {output.curves:q}"
        " > {log:q} 2>&1"


rule unlearn_markov:
    """Unlearn two Markov chains with every method."""
    output:
        curves=f"{WORLD}/markov/{{chains}}/seed={{seed}}/curves.json",
    log:
        f"{LOGS}/markov/{{chains}}/seed={{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/markov/{{chains}}/seed={{seed}}.tsv"
    threads: 1
    resources:
        **job_resources(0),
    params:
        settings=lambda w: as_json(EXPERIMENT.job_settings("markov", w.chains)),
        code=lambda w: code(
            "unlearning.benchmarks.synthetic.stages.unlearn_markov",
            *EXPERIMENT.methods_code("markov", w.chains),
        ),
    shell:
        "python -m unlearning unlearn_markov"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --out {output.curves:q}"
        " > {log:q} 2>&1"
