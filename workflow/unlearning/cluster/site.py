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
    names: dict[str, list[str]] = {}
    # YAML and Snakemake want quotes around some values
    for key, texts in values.items():
        names[key] = sorted({str(text).strip().strip("'\"") for text in texts})
    problems = _counted_gpus(names) if gpus else []
    if not any(names.get(key) for key in CLUSTERS):
        problems += _partition_problems(names, gpus)
    return problems + _account_problems(names)


def _counted_gpus(values: dict[str, list[str]]) -> list[str]:
    """GPUs with a number, which rules add: it would stand there twice."""
    problems = []
    for key in ("gpu_model", "gres"):
        for value in values.get(key, []):
            name, _, count = value.rpartition(":")
            if name and re.fullmatch("[0-9]{1,2}", count):
                problems.append(
                    f"{key}: '{value}' ends with a number, but the config's resources.gpus says "
                    f"how many GPUs a job has; write {name} {WHERE}"
                )
    return problems


def _partition_problems(values: dict[str, list[str]], gpus: int) -> list[str]:
    keys = ("slurm_partition", "constraint", "gpu_model", "gres")
    if not any(values.get(key) for key in keys):
        return []
    default, partitions = read_partitions(answer(SINFO))
    if not partitions:
        return []
    problems: list[str] = []
    eligible: list[Partition] = []  # those that jobs may go to
    for value in values.get("slurm_partition", []):
        for name in value.split(","):  # SLURM takes a list: the first that is free
            if name in partitions:
                eligible.append(partitions[name])
            else:
                problems.append(refusal("slurm_partition", name, "partition", partitions))
    if not values.get("slurm_partition") and default in partitions:
        eligible = [partitions[default]]
    features: set[str] = set()
    models: set[str] = set()
    # without a known partition, as under a misspelt one, a name may be one of any
    for partition in eligible or partitions.values():
        features |= partition.features
        models |= partition.gpus
    # a constraint is names with operators, counts and brackets between them
    for value in values.get("constraint", []):
        for name in re.findall(r"[^&|,()\[\]!\s]+", re.sub(r"\*\d+", "", value)):
            if name not in features:
                problems.append(refusal("constraint", name, "feature of a node", features))
    if gpus:
        problems += _gpu_problems(values, models)
    return problems


def _gpu_problems(values: dict[str, list[str]], models: set[str]) -> list[str]:
    """models: types of the GPUs of the partitions that jobs go to."""
    # key of the profile, its value, and the type of GPU that the value names
    requests = [("gpu_model", value, value) for value in values.get("gpu_model", [])]
    for value in values.get("gres", []):
        kind, _, model = value.partition(":")
        if kind == "gpu":
            requests.append(("gres", value, model))
    if requests and not models:
        keys = " and ".join(sorted({key for key, _, _ in requests}))
        return [
            f"{keys}: no node of the partition has a GPU. Set slurm_partition to one that has, "
            f"{WHERE} (sinfo -o '%P %G')"
        ]
    lower = {model.lower() for model in models}
    problems = []
    for key, value, model in requests:
        if model and model.lower() not in lower:
            prefix = "gpu:" if key == "gres" else ""
            offers = [f"{prefix}{name}" for name in models if name]
            problems.append(refusal(key, value, "GPU of the partition", offers))
    return problems


def _account_problems(values: dict[str, list[str]]) -> list[str]:
    if not values.get("slurm_account") and not values.get("qos"):
        return []
    accounts: set[str] = set()
    qos: set[str] = set()
    for line in answer((*ACCOUNTS, f"user={getuser()}", "format=account,qos")).splitlines():
        account, _, listed = line.partition("|")
        accounts.add(account)
        qos.update(filter(None, listed.split(",")))
    problems = []
    for key, what, names in (("slurm_account", "account", accounts), ("qos", "QOS", qos)):
        if not names:  # a database without entries for this user: SLURM might refuse nothing
            continue
        lower = {name.lower() for name in names}
        for value in values.get(key, []):
            for name in re.split(r"[,\s]+", value):
                if name.lower() not in lower:
                    problems.append(refusal(key, name, f"{what} of yours", names))
    return problems


def refusal(key: str, value: str, what: str, names: Iterable[str]) -> str:
    """The message on a name that SLURM does not know."""
    offers = ", ".join(sorted(names)) or "none"
    return f"{key}: SLURM knows no {what} '{value}'; there are: {offers}. Set {key} {WHERE}"


def read_partitions(text: str) -> tuple[str, dict[str, Partition]]:
    """The default partition's name, and all partitions by name, of lines of SINFO."""
    default = ""
    partitions: dict[str, Partition] = {}
    for line in text.splitlines():
        if line.count("|") != 2:
            continue
        name, gres, features = (part.strip() for part in line.split("|"))
        if name.endswith("*"):
            name = default = name[:-1]
        # sinfo has a line for each kind of node in a partition
        partition = partitions.setdefault(name, Partition(set(), set()))
        partition.features.update(set(features.split(",")) - {"(null)"})
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
