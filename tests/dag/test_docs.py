"""Every command that is printed in README, docs and configs runs as it is printed.

A command of Snakemake runs as a dry run, once for all that differ in their shipped config alone:
test_shipped_configs.py plans each of these. Of `make` targets it is what they call that runs;
`python -m unlearning` commands run up to the stage, and `plan` and `score` to their end.
Placeholders are filled in: path/to/tofu by a folder in TOFU's format, FILE by a log, a GGUF file by
a small one, mine.yaml by an experiment on a user's own rows and model.
"""

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from broken_models import good_model
from finished import MICRO, micro_config
from folders import ROOT
from toy_gguf import write_gguf
from toy_logs import evaluation, official_log, write
from unlearning.__main__ import main, modules

TOOLS = ("make", "snakemake", "python")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "reports" / "records").glob("*/README.md"))
CONFIG = re.compile(r"config/(experiments/)?[\w.-]+\.yaml")
COMPLETE = ("plan", "score")  # stages that take a second


def blocks(page: Path) -> Iterator[str]:
    """Lines of a page's blocks of code, of those in a language the commands alone."""
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = line.removeprefix("```") in ("", "sh", "bash", "console") and not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
    yield from re.findall("`(make [^`…]*)`", page.read_text(encoding="utf-8"))


def comments(config: Path) -> Iterator[str]:
    """Indented lines of a config's comments."""
    for line in config.read_text(encoding="utf-8").splitlines():
        if line.startswith("#  "):
            yield line.removeprefix("#").strip()


def commands(lines: Iterator[str]) -> Iterator[str]:
    """Commands among the lines, those that go on in the next line put together."""
    for line in lines:
        if line.split(" ")[0] not in TOOLS:
            continue
        while line.endswith("\\") or not closed(line):
            line = line.removesuffix("\\") + " " + next(lines)
        yield " ".join(shlex.quote(word) for word in shlex.split(line, comments=True))


def closed(line: str) -> bool:
    """Whether every quote of a command ends in it."""
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def printed() -> list[str]:
    """Every command that the project prints, once."""
    sources = [blocks(page) for page in PAGES]
    sources += [comments(config) for config in sorted((ROOT / "config").rglob("*.yaml"))]
    return list(dict.fromkeys(command for lines in sources for command in commands(lines)))


def called(command: str) -> list[list[str]]:
    """The words of each command that a printed one comes down to."""
    words = shlex.split(command)
    if words[0] != "make":
        return [words]
    # as if the environment were installed
    shown = ["make", "--dry-run", "--old-file", ".venv/.installed", *words[1:]]
    # of a `make test` that runs this it must inherit neither options nor variables
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        shown, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make:")]
    return [shlex.split(line) for line in lines]


@pytest.fixture(scope="session")
def tofu(tmp_path_factory) -> Path:
    """A folder in TOFU's format and size."""
    folder = tmp_path_factory.mktemp("tofu")
    rows = [{"question": f"Question {k}?", "answer": f"Answer {k}."} for k in range(4000)]
    others = [{"question": f"Fact {k}?", "answer": f"So {k}."} for k in range(100)]
    wrong = {"perturbed_answer": ["a", "b"], "paraphrased_answer": "c"}
    tables = {"retain": rows[:400], "real_authors": others, "world_facts": others}
    tables |= {f"forget{share:02d}": rows[-40 * share :] for share in (1, 5, 10)}
    for name, table in tables.items():
        text = "".join(json.dumps({**row, **wrong}) + "\n" for row in table)
        (folder / f"{name}_perturbed.json").write_text(text)
    (folder / "full.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def log(tmp_path_factory) -> str:
    """A log of the official code."""
    return write(tmp_path_factory.mktemp("log") / "log.json", official_log(evaluation()))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """A GGUF file."""
    path = tmp_path_factory.mktemp("model") / "toy.gguf"
    write_gguf(path)
    return str(path)


@pytest.fixture(scope="session")
def mine(tmp_path_factory) -> str:
    """An experiment on rows and a model of the user's."""
    folder = tmp_path_factory.mktemp("mine")
    good_model(folder / "model")
    config = {**micro_config("own"), "model": {"path": str(folder / "model"), "prompt": "plain"}}
    del config["pretrain"]
    config["data"] |= {
        name: f"{MICRO}/own/{name}.jsonl" for name in ("forget", "retain", "holdout")
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return str(folder / "mine.yaml")


@pytest.fixture(scope="session")
def placeholders(tofu, log, model, mine) -> dict[str, str]:
    """Pattern of a placeholder -> what is there."""
    gguf = r"[\w./-]+\.gguf"
    return {"path/to/tofu": str(tofu), "FILE": log, gguf: model, r"\bmine\.yaml": mine}


def filled(word: str, placeholders: dict[str, str]) -> str:
    """A word of a command with its placeholders filled in."""
    for pattern, path in placeholders.items():
        word = re.sub(pattern, path, word)
    return word


@pytest.fixture(scope="session")
def planned() -> dict[tuple[str, ...], str]:
    """Snakemake's words without the config's name -> the command that was planned with them."""
    return {}


def test_the_commands_of_the_docs_are_found():
    commands = printed()
    assert "make reproduce CONFIG=config/experiments/wmdp-zephyr-7b.yaml" in commands
    assert any(" --settings " in command and "include_path" in command for command in commands)
    assert any(command.startswith("python -m unlearning score") for command in commands)
    assert len(commands) > 25


@pytest.mark.parametrize("command", printed())
def test_a_printed_command_runs(command, fresh, placeholders, planned, monkeypatch, capsys):
    for words in called(command):
        words = [filled(word, placeholders) for word in words]
        assert shutil.which(words[0]), words
        configs = [word for word in words if CONFIG.fullmatch(word)]
        assert all((ROOT / config).is_file() for config in configs), words
        if words[0] == "snakemake":
            dry_run(words, tuple(w for w in words if w not in configs), fresh, planned)
        elif words[:3] == ["python", "-m", "unlearning"]:
            stage = next(word for word in words[3:] if not word.startswith("-"))
            if stage not in COMPLETE:
                module = importlib.import_module(modules()[stage])
                monkeypatch.setattr(module, "run", lambda args: None)
            monkeypatch.chdir(ROOT)
            assert main(words[3:]) == 0, capsys.readouterr().err


def dry_run(words: list[str], shape: tuple[str, ...], fresh, planned: dict) -> None:
    """Plan what Snakemake is to do, unless a command with another shipped config has shown that."""
    if "--lint" in words or "--unlock" in words or shape in planned:
        return  # the first two plan nothing; `make lint` and test_bad_input.py run them
    done = fresh.ask(*words[1:], "--dry-run")
    assert done.returncode == 0 and fresh.job_stats(done.stdout), done.stdout
    planned[shape] = " ".join(words)
