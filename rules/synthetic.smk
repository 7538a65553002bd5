# A synthetic experiment: one job for each study, setting and seed, then the report.

JOBS = EXPERIMENT.jobs()


wildcard_constraints:
    study="logistic|divergence",
    chains="length|memorization",
    alpha=r"[\d.e+-]+",


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
        **compute(0),
    params:
        settings=lambda w: as_json(EXPERIMENT.job_settings(w.study, f"alpha={w.alpha}")),
        code=code("unlearning.benchmarks.synthetic.stages.unlearn_logistic"),
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
        **compute(0),
    params:
        settings=lambda w: as_json(EXPERIMENT.job_settings("markov", w.chains)),
        code=code("unlearning.benchmarks.synthetic.stages.unlearn_markov"),
    shell:
        "python -m unlearning unlearn_markov"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --out {output.curves:q}"
        " > {log:q} 2>&1"


rule report:
    """Make the report page with its tables, figures and verdicts on the papers' claims."""
    input:
        curves=[str(EXPERIMENT.curves(job)) for job in JOBS],
        claims=shipped("config/claims.yaml"),
        template=shipped("reports/synthetic.html.j2"),
        parts=page_parts(),
    output:
        page=report(
            f"{LAYOUT.report}/index.html",
            caption="../reports/captions/page.rst",
            category="Report",
        ),
        claims=report(
            f"{LAYOUT.report}/claims.json",
            caption="../reports/captions/claims.rst",
            category="Report",
        ),
        table=f"{LAYOUT.report}/tables/main.csv",
    log:
        f"{LOGS}/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=as_json(EXPERIMENT.config),
        code=code("unlearning.benchmarks.synthetic.report"),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report_synthetic"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --template {input.template:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
