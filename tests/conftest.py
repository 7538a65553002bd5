"""Fixtures: the project before its first run, and after each micro experiment; groups of tests for
parallel runs (`pytest -n 2 --dist loadscope`)."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finished import finished_run
from project import Project, copied, micro
from unlearning.__main__ import main
from unlearning.config.reading import merged
from warm import worker_of_all
from xdist.scheduler import LoadScopeScheduling

# Before torch is loaded: sums are the same in every test and in every process that a test starts.
os.environ["OMP_NUM_THREADS"] = "1"
# Pre-training takes two threads; where other tests run beside it, one must not spin for the other.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

TESTS = Path(__file__).parent
PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
# Groups that take longest, so that none of them is the last to start. The first three need no run
# that another of them makes, so that none waits for another.
LONGEST_FIRST = (
    "end_to_end/test_slurm.py",
    "end_to_end/test_processes.py",
    "end_to_end/test_muse.py",
    "end_to_end/test_faults.py",
    "end_to_end/test_two_processes.py",
    "end_to_end/test_stages.py",
    "end_to_end/test_worker.py",
    "end_to_end/test_assets.py",
    "dag/test_incremental.py",
    "end_to_end/test_wmdp.py",
    "end_to_end/test_own.py",
    "end_to_end/test_synthetic.py",
    "end_to_end/test_memory.py",
    "end_to_end/test_restore.py",
)
# and of the unit tests, whose folders are groups
LONGEST_ROOMS = ("reporting", "models", "training", "data", "evaluation")


def pytest_configure(config: pytest.Config) -> None:
    """Hand groups out in the order of the tests, not by their number of tests."""
    config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Imports all tests with the garbage collector off."""
    # Imports create many objects and no garbage: the collector took a third of this time.
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.hookimpl(optionalhook=True)  # none where pytest runs with -p no:xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> LoadScopeScheduling:
    """Tests are handed out to processes by groups."""
    return Groups(config, log)


class Groups(LoadScopeScheduling):
    """A file, or a folder of unit tests, is a group: its tests share their fixtures in one process.

    Not `--dist loadgroup`: pytest-xdist 3.8 writes a group's name into an attribute that pytest 9.2
    does not read, and then hands out single tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return str(Path(file).parent) if "unit" in Path(file).parts else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In parallel runs the groups that take longest start first."""
    if PARALLEL:
        items.sort(key=rank)  # stable


def rank(item: pytest.Item) -> int:
    """Place of a test's file among the longest; unit tests come last and fill the gaps, those of
    the longest rooms first."""
    path = item.path.relative_to(TESTS)
    if str(path) in LONGEST_FIRST:
        return LONGEST_FIRST.index(str(path))
    kind, room, *_ = path.parts
    if kind != "unit":
        return len(LONGEST_FIRST)
    rooms = (*LONGEST_ROOMS, room)
    return len(LONGEST_FIRST) + 1 + rooms.index(room)


@pytest.fixture(scope="session")
def micro_with() -> Callable[..., dict]:
    """The micro experiment on TOFU with changes: micro_with(unlearn={"seeds": [1, 2]})."""
    return lambda **changes: merged(micro(), changes)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Project:
    """The project before its first run."""
    return copied(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder of all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if PARALLEL else base


@pytest.fixture(scope="session")
def worker_variable(shared) -> Callable[[], dict[str, str]]:
    """worker_variable(): what sends cells to one worker for all tests. It is started when it is
    first asked for, and ends with the tests."""
    session = os.getppid() if PARALLEL else os.getpid()
    return lambda: worker_of_all(shared, session)


@pytest.fixture(scope="session")
def complete(worker_variable) -> Callable[..., None]:
    """complete(project, config, *targets): a run that must succeed, by a warm Snakemake and the
    worker of all tests: the project's package is as it is checked out."""

    def run(project: Project, config: dict, *words: str | Path) -> None:
        config = merged(config, {"resources": {"cells_per_job": 1}})
        words = (*words, "--show-failed-logs")
        done = project.ask_snakemake(config, *words, **worker_variable())
        assert done.returncode == 0, done.stdout

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, shared, worker_variable) -> Callable[[str], Project]:
    """finished("muse"): a copy of the project after tests/micro/muse.yaml, for this process alone.

    The run is made once for all processes. Whoever changes the copy makes another (`moved_to`), or
    changes it back (`edited`).
    """

    def copy(name: str) -> Project:
        run = finished_run(shared, name, worker_variable)
        return run.moved_to(tmp_path_factory.mktemp(f"{name}-copy") / "project")

    return copy


@pytest.fixture(scope="session")
def project(finished) -> Project:
    """The project after the micro experiment on TOFU. Leave it as you find it."""
    return finished("tofu")


@pytest.fixture(scope="session")
def muse(finished) -> Project:
    """The project after the micro experiment on MUSE. Leave it as you find it."""
    return finished("muse")


@pytest.fixture(scope="session")
def wmdp(finished) -> Project:
    """The project after the micro experiment on WMDP. Leave it as you find it."""
    return finished("wmdp")


@pytest.fixture(scope="session")
def own(finished) -> Project:
    """The project after the micro experiment on a user's own files. Leave it as you find it."""
    return finished("own")


@pytest.fixture(scope="session")
def synthetic(finished) -> Project:
    """The project after the synthetic micro experiment. Leave it as you find it."""
    return finished("synthetic")


@pytest.fixture
def stage(monkeypatch) -> Callable[..., int]:
    """stage("evaluate", "--model", …): exit status of a stage, run in this process on the CPU."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: main([str(word) for word in words])
