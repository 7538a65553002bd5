# The report: tables, figures, claims and one self-contained page, from evaluations alone.

MADE = EXPERIMENT.benchmark.report_files(EXPERIMENT)


rule report:
    """Make the report page with its tables, figures and verdicts on the papers' claims."""
    input:
        **report_inputs(),
        claims=shipped("config/claims.yaml"),
        published=published_numbers(),
        template=shipped(BENCHMARK_FOLDER / "report.html.j2"),
        parts=page_parts(),
    output:
        **{
            name: captioned(f"{LAYOUT.report}/figures/{name}.svg", name, "Figures")
            for name in MADE["figures"]
        },
        page=captioned(f"{LAYOUT.report}/index.html", "page", "Report"),
        claims=captioned(f"{LAYOUT.report}/claims.json", "claims", "Report"),
        table=captioned(f"{LAYOUT.report}/tables/main.csv", "main_table", "Tables"),
        tables=[f"{LAYOUT.report}/tables/{name}.csv" for name in MADE["tables"]],
    log:
        f"{LOGS}/report/{EXPERIMENT.config['experiment']}.log",
    params:
        settings=as_json(EXPERIMENT.config),
        code=code(
            "unlearning.stages.report",
            *EXPERIMENT.code_of("report:write", "experiment:BENCHMARK", "metrics:STUDIES"),
        ),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m unlearning report"
        " --settings {params.settings:q}"
        " --claims {input.claims:q}"
        " --published {input.published:q}"
        " --template {input.template:q}"
        " --out {params.folder:q}"
        " > {log:q} 2>&1"
