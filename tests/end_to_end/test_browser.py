"""Pages in a real browser, without a network."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from report_world import HOSTILE, complete_config, make_report, specification_alone, write_world
from unlearning.reporting import report as reporting

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def without(what: str) -> None:
    """Skip; on a continuous-integration machine fail, so that the check cannot fade away."""
    message = f"no {what}: pip install playwright, and apt-get install chromium (or Chrome)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without("playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        without("browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory) -> Path:
    """The report of an experiment with plausible numbers and hostile answers. The page draws its
    figures by itself; pictures of them would take seconds."""
    experiment = write_world(complete_config(tmp_path_factory.mktemp("results")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "figure_files", specification_alone)
        return make_report(experiment.config, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(browser, report_folder):
    """Its page, drawn; page.requests and page.problems record what it did."""
    return drawn(browser, report_folder)


def drawn(browser, report: Path, width: int = 1280):
    """A report's page once its figures are drawn, cut off from everything but its own file."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.requests, page.problems = [], []
    page.route("**/*", lambda route: route.continue_() if is_own(route) else route.abort())
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto((report / "index.html").as_uri())
    if page.locator(".chart").count():
        page.wait_for_selector("html[data-figures=drawn]", timeout=60_000)
    return page


def is_own(route) -> bool:
    return route.request.url.startswith("file://")


def test_it_asks_for_nothing_but_itself(page):
    assert len(page.requests) == 1
    assert page.problems == []


def test_every_figure_is_drawn(page):
    """One panel for the split, for each attack, for each of the ten variants, …"""
    charts = page.locator(".chart").all()
    for chart in charts:
        assert chart.locator("svg.marks path").count() > 0
    panels = Counter(chart.get_attribute("data-spec").rpartition("-")[0] for chart in charts)
    assert (panels["fq_mu"], panels["relearning"], panels["losses"]) == (1, 2, 10)
    names = {"fq_mu", "trajectories", "peaks", "grids", "relearning", "losses", "strata"}
    assert names | {"weights", "weights_length"} <= panels.keys()


def test_a_click_on_a_header_sorts_both_ways(page):
    table = page.locator("#results table").first
    header = table.locator('th[data-key="forget_quality"]')

    def column():
        cells = table.locator("tbody tr td:nth-child(2)").all()
        return [float(cell.get_attribute("data-value")) for cell in cells]

    before = column()
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert column() == sorted(before, reverse=True)
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(before)
    assert before not in (sorted(before), sorted(before, reverse=True))


def test_the_nine_parts_can_be_shown(page):
    part = page.locator('#results th[data-key="world_facts_rouge"]').first
    assert not part.is_visible()
    page.locator("#toggle-parts").click()
    assert part.is_visible()
    page.locator("#toggle-parts").click()


def test_a_variant_can_be_followed(page):
    chip = page.locator('.legend .chip[data-label="GA+RT"]')
    chip.click()
    assert chip.get_attribute("aria-pressed") == "true"
    assert page.locator("tr.chosen").first.get_attribute("data-label") == "GA+RT"
    page.locator(".clear").click()
    assert page.locator("tr.chosen").count() == 0


def test_text_of_models_is_shown_and_never_run(page):
    questions = page.locator("#g-list input")
    for place, text in enumerate(HOSTILE):
        questions.nth(place).check(force=True)
        answer = page.locator("#g-answers dd").nth(2)
        assert text in answer.evaluate("node => node.textContent")
        assert page.locator("#g-answers").locator("script, img, b:text-is('bold')").count() == 0
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.problems == []


def test_an_injected_script_is_stopped_by_the_policy(page):
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hacked=1>')")
    page.wait_for_timeout(300)
    assert page.evaluate("typeof window.hacked") == "undefined"
    page.problems.clear()  # the refusal is an error on the console


def test_the_whole_range_of_forget_quality_is_one_click_away(page):
    """Ticks of the stretched axis, of the linear one, and back."""
    toggle = page.locator("#toggle-axes")

    def ticks() -> list[float]:
        labels = page.locator('.chart[data-spec="fq_mu-0"] .role-axis-label text')
        texts = [text.replace("\u2212", "-") for text in labels.all_text_contents()]
        return sorted(float(text) for text in texts if text.startswith("-"))

    stretched = ticks()
    assert any(-1 < tick < 0 for tick in stretched)
    toggle.click()
    page.wait_for_function("document.querySelector('#toggle-axes').ariaPressed === 'true'")
    page.wait_for_timeout(500)
    steps = [b - a for a, b in zip(ticks(), ticks()[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps))  # evenly spaced
    toggle.click()
    page.wait_for_timeout(500)
    assert ticks() == stretched


def test_claims_are_filtered_linked_and_folded(page):
    """A count is a filter; claims that were not run stay folded; a link leads to its claim."""
    shown = page.locator(".claim:visible")
    assert page.locator("#claims-not-run").get_attribute("open") is None
    filters = page.locator("button.filter")
    for place in range(filters.count()):
        button = filters.nth(place)
        verdict, count = button.get_attribute("data-verdict"), button.locator("b").inner_text()
        button.click()
        assert shown.count() == int(count)
        assert {c.get_attribute("data-verdict") for c in shown.all()} == {verdict}
        button.click()
    claim = page.locator("#claims-not-run .claim").first
    page.evaluate("id => { location.hash = id }", claim.get_attribute("id"))
    claim.wait_for(state="visible")


def test_files_are_saved_from_the_page_alone(page, report_folder):
    """Also where the page was mailed without the files beside it."""
    with page.expect_download() as download:
        page.locator('a[data-file="tables/main.tex"]').first.click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    assert saved == (report_folder / "tables" / "main.tex").read_text(encoding="utf-8")
    assert download.value.suggested_filename == "main.tex"


def test_answers_can_be_searched(page):
    page.locator("#g-search").fill("fact 11 about")
    assert page.locator("#g-list label").count() == 1
    assert "fact 11" in page.locator("#g-answers h3").inner_text()
    page.locator("#g-search").fill("no such words")
    assert page.locator("#g-list label").count() == 0
    assert "Nothing matches" in page.locator("#g-answers").inner_text()
    page.locator("#g-search").fill("")


def test_sets_and_seeds_can_be_chosen(page):
    page.locator("#g-set").select_option("world_facts")
    assert page.locator("#g-list label").count() == 12
    page.locator("#g-seed").select_option("3")
    assert page.locator("#g-answers dt").count() == 1 + 2 + 10


@pytest.mark.parametrize("experiment", ["muse", "wmdp", "own", "synthetic"])
def test_pages_of_other_benchmarks(browser, request, experiment):
    """Of the finished micro experiments: self-contained, drawn, and fit for a narrow screen."""
    project = request.getfixturevalue(experiment)
    page = drawn(browser, project.root / "results" / f"micro-{experiment}" / "report", width=480)
    assert len(page.requests) == 1 and page.problems == []
    charts = page.locator(".chart")
    assert page.locator(".chart svg.marks").count() == charts.count()
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_nothing_bars_a_reader(browser, report_folder, scheme, width):
    """axe-core finds no violation, with everything unfolded, on wide and narrow screens."""
    from axe_playwright_python.sync_playwright import Axe

    viewport = {"width": width, "height": 900}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto((report_folder / "index.html").as_uri())
    page.wait_for_selector("html[data-figures=drawn]", timeout=60_000)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    found = Axe().run(page).response
    assert len(found["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    context.close()


def test_a_narrow_screen_never_scrolls_sideways(browser, report_folder):
    page = drawn(browser, report_folder, width=480)
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    page.close()
