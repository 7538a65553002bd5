# The report of a MUSE experiment: tables, figures, claims and one self-contained page, from evaluations alone.


rule report:
    """Make the report page with its tables and verdicts on the papers' claims."""
    input:
        evaluations=evaluations(),
        trajectories=trajectories(),
        claims=shipped("config/claims.yaml"),
        published=shipped("config/published/muse.yaml"),
        template=shipped("reports/muse.html.j2"),
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
        cells=f"{LAYOUT.report}/tables/cells.csv",
        scalability=report(
            f"{LAYOUT.report}/figures/scalability.svg",
            caption="../reports/captions/scalability.rst",
            category="Figures",
        ),
        sustainability=report(
            f"{LAYOUT.report}/figures/sustainability.svg",
            caption="../reports/captions/sustainability.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=as_json(EXPERIMENT.config),
        code=code("unlearning.benchmarks.muse.report"),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report_muse"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --published {input.published:q}"
        " --template {input.template:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
