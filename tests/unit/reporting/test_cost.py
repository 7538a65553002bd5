"""What stages cost, against benchmark files, and the section's table."""

from dataclasses import replace

from unlearning.files import write_text
from unlearning.reporting.cost import costs_in, measurements
from unlearning.reporting.report import page, write_files
from unlearning.reporting.section import sections


def test_costs(report):
    costs = {cost.rule: cost for cost in report.costs}
    assert list(costs) == ["pretrain", "unlearn", "evaluate"]
    assert costs["evaluate"].total_seconds == 6.0
    assert costs["evaluate"].median_seconds == 3.0
    assert costs["evaluate"].max_rss_mb == 512.5
    assert costs["evaluate"].tokens_per_second is None
    assert costs["pretrain"].tokens_per_second == 1500.0  # 90,000 in 60 s
    assert costs["unlearn"].tokens_per_second == 320.0  # 4,000 in 12.5 s


def test_the_table_of_costs(contents, report_folder):
    (table,) = contents["cost"].tables["cost"]
    rows = {row.label: [cell.text for cell in row.cells] for row in table.rows}
    assert rows["pretrain"] == ["1", "1.0", "60.0", "512", "1,500"]
    assert rows["evaluate"] == ["2", "0.1", "3.0", "512", "–"]
    lines = (report_folder / "tables" / "cost.csv").read_text("utf-8").splitlines()
    assert lines[0] == "rule,jobs,total_seconds,median_seconds,max_rss_mb,tokens_per_second"
    assert lines[3] == "evaluate,2,6.0,3.0,512.5,"


def test_memory_of_a_workers_child_is_in_its_log(tmp_path):
    for seed, log in enumerate(("", "scores\npeak memory: 464 MB\n", "peak memory: 470 MB\n")):
        path = f"evaluate/beta=0.1/seed={seed}"
        write_text(tmp_path / f"benchmarks/{path}.tsv", "s\tmax_rss\n3.0\t18.3\n")
        write_text(tmp_path / f"logs/{path}.log", log)
    (cost,) = costs_in([tmp_path / "benchmarks"], {})
    assert (cost.jobs, cost.max_rss_mb) == (3, 470.0)


def test_a_resumed_job_has_no_rate(tmp_path):
    """Its tokens are those of all attempts, its seconds those of the last one."""
    benchmark = tmp_path / "benchmarks/unlearn/seed=1.tsv"
    log = tmp_path / "logs/unlearn/seed=1.log"
    write_text(benchmark, "s\tmax_rss\n10.0\t18.3\n")
    again = "resumed after step 30 from state\n"
    for text, rate, resumed in (("step plan: 40\n", 50.0, 0), (again, None, 1)):
        write_text(log, text)
        (cost,) = costs_in([tmp_path / "benchmarks"], {"unlearn": [500]})
        assert (cost.tokens_per_second, cost.resumed) == (rate, resumed)


def test_the_page_says_that_jobs_were_resumed(report, tmp_path):
    again = replace(report, costs=[replace(report.costs[0], resumed=2)])
    (section,) = sections("tofu", ("cost",))
    content = section.content(again)
    write_files(section, content, tmp_path)
    assert "2 jobs went on after a kill" in page(again, [(section, content)] * 2, tmp_path)


def test_what_snakemake_could_not_measure_is_no_number():
    assert measurements(["1.5", "-", "NA", "", None]) == [1.5]
