"""Copies of the project that tests run commands in, and the micro experiment."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from dry_run import DryRuns
from folders import ROOT
from unlearning.config.reading import merged

# the last are files of a user's, which tests/micro/own.yaml names
PARTS = ("Snakefile", "rules", "workflow", "config", "reports", "tests/micro/own", "CITATION.cff")
MICRO = ROOT / "tests" / "micro" / "tofu.yaml"
DRY_RUNS = DryRuns()  # one server for all copies that this process asks about


def micro() -> dict:
    """The micro experiment as the user would write it, to be changed by a test."""
    return yaml.safe_load(MICRO.read_text(encoding="utf-8"))


def shipped(path: Path, **changes) -> dict:
    """A shipped experiment with sections replaced key by key."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, change in changes.items():
        both = {**config.get(section, {}), **change} if isinstance(change, dict) else change
        config[section] = both
    return config


@dataclass(frozen=True)
class Project:
    """A copy of the project; commands run in it and import the copy's package."""

    root: Path

    @property
    def world(self) -> Path:
        """Results of the micro experiment."""
        return self.root / "results" / "micro"

    @property
    def environment(self) -> dict[str, str]:
        """The CPU with one thread, so that results can be compared closely."""
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": tools, "PYTHONPATH": str(self.root / "workflow")}
        variables |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        variables |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
        return {**os.environ, **variables}

    def call(self, *command: str | Path, timeout: float = 900) -> subprocess.CompletedProcess:
        """Run a command to its end. Nothing here takes a minute on a machine of its own."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def snakemake(self, config: dict | Path, *arguments: str | Path):
        """Run snakemake on an experiment, a file or its content, on two cores."""
        return self.call("snakemake", *self._arguments(config, arguments))

    def ask_snakemake(self, config: dict | Path, *arguments: str | Path, **variables: str):
        """What `snakemake` does, from a warm process: without its start of three seconds."""
        return self.ask(*self._arguments(config, arguments), **variables)

    def ask(self, *words: str | Path, **variables: str):
        """The same for `snakemake` with these words alone. variables: of its environment."""
        environment = {**self.environment, **variables}
        return DRY_RUNS.run(self.root, environment, [str(word) for word in words], timeout=900)

    def dry_run(self, config: dict | Path, *arguments: str | Path):
        """Exit status and output of a dry run."""
        return self.ask_snakemake(config, "--dry-run", *arguments)

    def _arguments(self, config: dict | Path, arguments: tuple[str | Path, ...]) -> list[str]:
        path = config if isinstance(config, Path) else self.write(config)
        # --configfile takes every path after it, so targets stand before it
        return [str(part) for part in (*arguments, "--cores", 2, "--configfile", path)]

    def write(self, config: dict) -> Path:
        """An experiment file in the project, one for each process that shares the project."""
        path = self.root / f"changed-{os.getpid()}.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def jobs(self, config: dict | Path, *arguments: str | Path) -> Counter:
        """Jobs of each rule that a run of an experiment would start."""
        done = self.dry_run(config, *arguments)
        assert done.returncode == 0, done.stdout
        return self.job_stats(done.stdout)

    def planned(self, **changes) -> Counter:
        """Jobs of each rule that a run of the micro experiment with `changes` would start."""
        return self.jobs(merged(micro(), changes))

    @staticmethod
    def job_stats(output: str) -> Counter:
        """The table of a dry run as rule -> number of jobs, without `all` and the total."""
        if "Nothing to be done" in output:
            return Counter()
        table = re.search(r"Job stats:\n.*\n[- ]+\n((?:\S+ +\d+\n)+)", output)
        assert table, f"no table of jobs in:\n{output}"
        jobs = {rule: int(count) for rule, count in map(str.split, table[1].splitlines())}
        assert jobs.pop("total") == sum(jobs.values())
        jobs.pop("all", None)
        return Counter(jobs)

    def moved_to(self, folder: Path) -> "Project":
        """A second copy with all results and file times."""
        shutil.copytree(self.root, folder)
        return Project(folder)

    @contextmanager
    def edited(self, name: str, change: Callable[[str], str]) -> Iterator[None]:
        """`change` applied to one file of the copy; text and times come back afterwards."""
        path = self.root / name
        before, times = path.read_text(encoding="utf-8"), path.stat()
        after = change(before)
        assert after != before, f"the edit of {name} changes nothing"
        path.write_text(after, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def copied(folder: Path) -> Project:
    """The project as it is checked out, without results; with its code as an earlier run or `make
    lint` parsed it, which takes seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            hidden = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / part, ignore=hidden)
        else:
            shutil.copy2(source, folder / part)
    parsed = Path(".snakemake", "code.json")
    if (ROOT / parsed).exists():
        (folder / parsed.parent).mkdir(exist_ok=True)
        shutil.copy2(ROOT / parsed, folder / parsed)
    return Project(folder)
