"""Names of a SLURM site in the profile, compared with those that its scheduler knows.

SLURM refuses a job with a name that it does not know, and would do so for each job anew. So the
scheduler is asked once, before the first job.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from getpass import getuser

SECONDS = 20  # that a scheduler may take to answer; one that does not answer refuses nothing
# hidden partitions too; of each group of nodes: partition, generic resources, features
SINFO = ("sinfo", "--all", "--noheader", "--format=%P|%G|%f")
ACCOUNTS = ("sacctmgr", "--noheader", "--parsable2", "show", "associations")
CLUSTERS = ("slurm_cluster", "cluster", "clusters")  # keys that send jobs to other clusters
WHERE = "under default-resources or set-resources of the profile"


@dataclass(frozen=True)
class Partition:
    """gpus: types of its nodes' GPUs, "" for GPUs without a type. features: those of its nodes."""

    gpus: set[str]
    features: set[str]


def site_problems(values: Mapping[str, Iterable[str]], gpus: int) -> list[str]:
    """What the scheduler would refuse of the names in a profile.

    values: key of the profile, such as `slurm_partition`, -> its values. gpus: of a job. Nothing
    where no key is set, or where the command that knows the names is missing or fails.
    """
    values = {key: sorted(set(map(unquoted, texts))) for key, texts in values.items()}
    problems = []
    if not any(values.get(key) for key in CLUSTERS):
        problems += _partition_problems(values, gpus)
    return problems + _account_problems(values)


def unquoted(text: str) -> str:
    """A value without the quotes that YAML and Snakemake want around some."""
    return str(text).strip().strip("'\"")


def _partition_problems(values: dict[str, list[str]], gpus: int) -> list[str]:
    named = ("slurm_partition", "constraint", "gpu_model", "gres")
    if not any(values.get(key) for key in named):
        return []
    default, partitions = read_partitions(answer(SINFO))
    if not partitions:
        return []
    problems, chosen = [], []
    for value in values.get("slurm_partition", []):
        for name in value.split(","):  # SLURM takes a list: the first that is free
            if name in partitions:
                chosen.append(partitions[name])
            else:
                problems.append(refusal("slurm_partition", name, "partition", partitions))
    if not values.get("slurm_partition") and default in partitions:
        chosen = [partitions[default]]
    chosen = chosen or list(partitions.values())
    features = set().union(*(partition.features for partition in chosen))
    for value in values.get("constraint", []):
        for name in re.findall(r"[^&|,()\[\]!\s]+", re.sub(r"\*\d+", "", value)):
            if name not in features:
                problems.append(refusal("constraint", name, "feature of a node", features))
    if gpus:
        models = set().union(*(partition.gpus for partition in chosen))
        problems += _gpu_problems(values, models)
    return problems


def _gpu_problems(values: dict[str, list[str]], models: set[str]) -> list[str]:
    """models: types of the GPUs of the partitions that jobs go to."""
    names = [("gpu_model", value, value) for value in values.get("gpu_model", [])]
    for value in values.get("gres", []):
        kind, _, model = value.partition(":")
        if kind == "gpu":
            names.append(("gres", value, model))
    if names and not models:
        keys = " and ".join(sorted({key for key, _, _ in names}))
        return [
            f"{keys}: no node of the partition has a GPU. Set slurm_partition to one that has, "
            f"{WHERE} (sinfo -o '%P %G')"
        ]
    known = {model.lower() for model in models}
    typed = {model for model in models if model}
    problems = []
    for key, value, model in names:
        if model and model.lower() not in known:
            offers = {model: f"gpu:{model}" if key == "gres" else model for model in typed}
            problems.append(refusal(key, value, "GPU of the partition", offers.values()))
    return problems


def _account_problems(values: dict[str, list[str]]) -> list[str]:
    if not values.get("slurm_account") and not values.get("qos"):
        return []
    accounts, qos = set(), set()
    for line in answer((*ACCOUNTS, f"user={getuser()}", "format=account,qos")).splitlines():
        account, _, names = line.partition("|")
        accounts.add(account)
        qos |= set(filter(None, names.split(",")))
    problems = []
    for key, what, known in (("slurm_account", "account", accounts), ("qos", "QOS", qos)):
        for value in values.get(key, []):
            for name in re.split(r"[,\s]+", value):
                # a database without entries for this user does not say what SLURM would refuse
                if known and name.lower() not in {entry.lower() for entry in known}:
                    problems.append(refusal(key, name, f"{what} of yours", known))
    return problems


def refusal(key: str, value: str, what: str, names: Iterable[str]) -> str:
    """The message on a name that SLURM does not know."""
    offers = ", ".join(sorted(names)) or "none"
    return f"{key}: SLURM knows no {what} '{value}'; there are: {offers}. Set {key} {WHERE}"


def read_partitions(text: str) -> tuple[str, dict[str, Partition]]:
    """The default partition's name, and all partitions by name, of lines of SINFO."""
    default, partitions = "", {}
    for line in text.splitlines():
        if line.count("|") != 2:
            continue
        name, gres, features = (part.strip() for part in line.split("|"))
        if name.endswith("*"):
            name = default = name[:-1]
        partition = partitions.setdefault(name, Partition(set(), set()))
        partition.features.update(entry for entry in features.split(",") if entry != "(null)")
        # gpu:2, gpu:a100:2 and gpu:a100:2(S:0-1), several of them with commas between
        for resource in re.sub(r"\([^)]*\)", "", gres).split(","):
            kind, *words = resource.split(":")
            if kind == "gpu":
                partition.gpus.add(words[0] if len(words) == 2 else "")
    return default, partitions


def answer(command: tuple[str, ...]) -> str:
    """What a command prints; nothing where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
