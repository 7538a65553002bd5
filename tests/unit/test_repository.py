"""Files for contributors name make targets, pages and versions that exist."""

import re
import tomllib

import pytest
import yaml
from folders import ROOT

# at the start of a line, as a value in YAML, as code in Markdown; not the verb in a sentence
MAKE = re.compile(r"(?:^ *|: |`)make +([a-z][a-z-]*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def targets() -> set[str]:
    """Targets of the Makefile that a person calls."""
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", text("Makefile"), re.MULTILINE))


def workflow_steps() -> list[str]:
    """Shell commands of the GitHub workflow."""
    jobs = yaml.safe_load(text(".github/workflows/test.yml"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def make_calls(commands: list[str]) -> list[str]:
    """The targets of commands that are calls of make."""
    return [call[1] for command in commands if (call := MAKE.match(command.strip()))]


def test_the_workflow_runs_what_ci_runs():
    here = make_calls(text(".ci/run").splitlines())
    assert here == ["reproduce", "test", "soak-short"]
    assert make_calls(workflow_steps()) == here


def test_the_workflow_has_the_python_that_the_project_asks_for():
    jobs = yaml.safe_load(text(".github/workflows/test.yml"))["jobs"]
    settings = [step.get("with", {}) for job in jobs.values() for step in job["steps"]]
    versions = [setting["python-version"] for setting in settings if "python-version" in setting]
    asked = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    assert versions == [asked.removeprefix(">=")]


def test_the_commit_hook_is_lint():
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make lint"]
    pattern = re.compile(hooks[0]["files"])
    linted = ("Snakefile", "rules/common.smk", "workflow/unlearning/files.py", "pyproject.toml")
    assert all(pattern.search(name) for name in linted)
    assert not pattern.search("README.md")


@pytest.mark.parametrize(
    "name",
    [
        *(".ci/run", ".pre-commit-config.yaml", ".github/workflows/test.yml"),
        *(".github/pull_request_template.md", ".github/ISSUE_TEMPLATE/problem.yml"),
        "CONTRIBUTING.md",
    ],
)
def test_named_make_targets_exist(name):
    assert set(MAKE.findall(text(name))) - targets() == set()


def test_issue_form_asks_for_config_log_and_doctor():
    form = yaml.safe_load(text(".github/ISSUE_TEMPLATE/problem.yml"))
    fields = {field["id"]: field["attributes"] for field in form["body"]}
    assert list(fields) == ["what", "config", "log", "doctor"]
    assert "python -m unlearning doctor" in fields["doctor"]["description"]
    required = [f["id"] for f in form["body"] if f.get("validations", {}).get("required")]
    assert required == ["what", "config", "doctor"]


def test_every_page_of_docs_is_in_the_index_once():
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md")
    entries = re.findall(r"^- \[([\w-]+\.md)\]\(\1\): \S", text("docs/README.md"), re.MULTILINE)
    assert sorted(entries) == pages


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/README.md"])
def test_links_lead_to_files(name):
    folder = (ROOT / name).parent
    links = LINK.findall(text(name))
    assert links and [link for link in links if not (folder / link).exists()] == []


def test_versions_agree():
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert yaml.safe_load(text("CITATION.cff"))["version"] == version
    released = re.findall(r"^## (\d\S*)", text("CHANGELOG.md"), re.MULTILINE)
    assert released[0] == version


def recipe_examples() -> list[tuple[str, int]]:
    """Named examples of the recipes in CONTRIBUTING.md, and the number of their files."""
    rows = re.findall(
        r"^\| an? [\w ]+ \| `([\w-]+)` \| (\d+) \|", text("CONTRIBUTING.md"), re.MULTILINE
    )
    return [(name, int(files)) for name, files in rows]


def test_recipes_have_examples():
    assert len(recipe_examples()) == 3


@pytest.mark.parametrize(("name", "files"), recipe_examples())
def test_a_recipe_names_every_file_that_is_touched(name, files):
    pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    touched = []
    for folder in ("config", "docs", "rules", "tests", "workflow"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in (".py", ".smk", ".yaml", ".md", ".j2"):
                continue
            if path.stem == name or pattern.search(path.read_text(encoding="utf-8")):
                touched.append(str(path.relative_to(ROOT)))
    assert len(touched) == files, touched
