"""Time and size of a report by the number of unlearning runs, and how long its page takes to open.

python benchmarks/report.py [--cells 30 300 2000]: results of made-up runs, in the formats of the
stages, with 40 forget rows each; times of one process. Opening is measured in Chromium, from the
start of the load until the figures in sight are drawn, where playwright and a browser are there.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests" / "support")]
from report_world import complete_config, make_report, write_world  # noqa: E402

BETAS = [round(0.1 * n, 2) for n in range(1, 21)]


def experiment(folder: Path, cells: int) -> dict:
    """A config of two methods, each with as many values of beta and seeds as it takes."""
    betas = BETAS if cells >= 400 else BETAS[:3]
    seeds = max(1, round(cells / (2 * len(betas))))
    methods = {"NPO+RT": {"beta": betas}, "SimNPO+RT": {"beta": betas}}
    config = complete_config(folder, methods=methods)
    config["unlearn"] |= {"seeds": list(range(1, seeds + 1)), "trajectory": [1, 5]}
    return config


def opened(page: Path) -> float | None:
    """Seconds until a page and its visible figures are drawn; None without a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page()
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-figures]", timeout=120_000)
        seconds = time.perf_counter() - start
        chromium.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[30, 300, 2000])
    print("| runs | made, s | of them CPU | page, MB | opened, s | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for cells in parser.parse_args().cells:
        with tempfile.TemporaryDirectory() as folder:
            config = experiment(Path(folder) / "results", cells)
            count = len(write_world(config).cells())
            start, cpu = time.perf_counter(), time.process_time()
            out = make_report(config, Path(folder) / "report")
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            size = (out / "index.html").stat().st_size / 1e6
            drawn = opened(out / "index.html")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            shown = "–" if drawn is None else f"{drawn:.1f}"
            print(
                f"| {count} | {seconds:.1f} | {cpu:.1f} | {size:.2f} | {shown} | {peak:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
