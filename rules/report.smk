# The report: tables, figures, claims and one self-contained page, from evaluations alone.

FIGURES = {name: shows for section in SECTIONS for name, shows in section.figures.items()}


rule report:
    """Make the report page with its tables, figures and verdicts on the papers' claims."""
    input:
        **report_inputs(),
        claims=project_file("config/claims.yaml"),
        published=published_numbers(),
        parts=page_parts(),
    output:
        page=report(
            f"{LAYOUT.report}/index.html",
            category="Report",
            labels={"file": "page", "shows": "the whole report"},
        ),
        claims=report(
            f"{LAYOUT.report}/claims.json",
            category="Report",
            labels={"file": "claims", "shows": "a verdict on each claim of the papers"},
        ),
        table=report(
            f"{LAYOUT.report}/tables/main.csv",
            category="Tables",
            labels={"file": "main", "shows": "means over seeds of every metric"},
        ),
        frame=f"{LAYOUT.report}/results.parquet",
        csv=f"{LAYOUT.report}/results.csv",
        figures=[
            report(
                f"{LAYOUT.report}/figures/{name}.svg",
                category="Figures",
                labels={"file": name, "shows": shows},
            )
            for name, shows in FIGURES.items()
        ],
        files=[
            f"{LAYOUT.report}/{name}"
            for section in SECTIONS
            for name in section.files
            if name != "tables/main.csv" and not name.endswith(".svg")
        ],
    log:
        f"{SHARED}/logs/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=lambda wildcards: as_json(EXPERIMENT.config),
        code=code(
            "unlearning.stages.report",
            "unlearning.reporting.report:write",
            *[section.module for section in SECTIONS],
            *EXPERIMENT.code_of(
                "results:read", "columns", "experiment:BENCHMARK", "metrics:STUDIES"
            ),
        ),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --published {input.published:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
