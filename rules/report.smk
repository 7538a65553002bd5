# The report: tables, figures, claims and one self-contained page, from evaluations alone.


rule report:
    """Make the report page with its tables, figures and verdicts on the papers' claims."""
    input:
        evaluations=evaluations(),
        trajectories=trajectories(),
        harness=harness_summaries(),
        claims=shipped("config/claims.yaml"),
        published=shipped("config/published/tofu.yaml"),
        template=shipped("reports/index.html.j2"),
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
        table=report(
            f"{LAYOUT.report}/tables/main.csv",
            caption="../reports/captions/main_table.rst",
            category="Tables",
        ),
        fq_mu=report(
            f"{LAYOUT.report}/figures/fq_mu.svg",
            caption="../reports/captions/fq_mu.rst",
            category="Figures",
        ),
        trajectories=report(
            f"{LAYOUT.report}/figures/trajectories.svg",
            caption="../reports/captions/trajectories.rst",
            category="Figures",
        ),
        peaks=report(
            f"{LAYOUT.report}/figures/peaks.svg",
            caption="../reports/captions/peaks.rst",
            category="Figures",
        ),
        grids=report(
            f"{LAYOUT.report}/figures/grids.svg",
            caption="../reports/captions/grids.rst",
            category="Figures",
        ),
        relearning=report(
            f"{LAYOUT.report}/figures/relearning.svg",
            caption="../reports/captions/relearning.rst",
            category="Figures",
        ),
        strata=report(
            f"{LAYOUT.report}/figures/strata.svg",
            caption="../reports/captions/strata.rst",
            category="Figures",
        ),
        weights=report(
            f"{LAYOUT.report}/figures/weights.svg",
            caption="../reports/captions/weights.rst",
            category="Figures",
        ),
        reference=report(
            f"{LAYOUT.report}/figures/reference.svg",
            caption="../reports/captions/reference.rst",
            category="Figures",
        ),
        tables=tables(
            *("cells", "trajectories", "relearning", "peaks", "grids", "strata", "cost"),
            *("published", "divergence", "weights"),
            *(["harness"] if harness_summaries() else []),
        ),
        divergence=report(
            f"{LAYOUT.report}/figures/divergence.svg",
            caption="../reports/captions/divergence.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=as_json(EXPERIMENT.config),
        code=code("unlearning.stages.report"),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --published {input.published:q}"
        " --template {input.template:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
