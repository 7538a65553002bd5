# The report of a WMDP experiment: tables, claims and one self-contained page, from accuracies alone.


rule report:
    """Make the report page with its tables and verdicts on the papers' claims."""
    input:
        harness=harness_summaries(),
        trajectories=trajectories(),
        claims=shipped("config/claims.yaml"),
        published=shipped("config/published/wmdp.yaml"),
        template=shipped("reports/wmdp.html.j2"),
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
    log:
        f"{LOGS}/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=as_json(EXPERIMENT.config),
        code=code("unlearning.benchmarks.wmdp.report"),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report_wmdp"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --published {input.published:q}"
        " --template {input.template:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
