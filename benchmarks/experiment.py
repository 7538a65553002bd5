"""A TOFU experiment up to its report, several jobs at once on one GPU, without Snakemake.

    python benchmarks/experiment.py --configfile config/experiments/tofu-smollm2-135m.yaml \\
        --model path/to/SmolLM2.gguf --data path/to/tofu --results results --jobs 8 --minutes 9

For a machine that lends its GPU for minutes and has no Snakemake: five seeds on forget01, forget05
and forget10. Files lie where the rules put them, so that Snakemake elsewhere makes the report of
them (`--rerun-triggers mtime`). Outputs that exist are left as they are, so that a later call goes
on; after --minutes no job is started, and those that run write their state and end.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.layout import UnlearnRun

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ["forget01", "forget05", "forget10"]
SEEDS = [1001, 1002, 1003, 1004, 1005]
CHECKPOINT_MINUTES = "2"


@dataclass(frozen=True)
class Job:
    """A stage's command. out: what it makes, by which a job that is done is known."""

    out: Path
    stage: str
    arguments: tuple[str, ...]


class Jobs:
    """The jobs of an experiment, in waves: a wave needs the waves before it alone."""

    def __init__(self, experiment: Experiment):
        self.experiment, self.layout = experiment, experiment.layout

    def waves(self) -> Iterator[list[Job]]:
        """Data and base; target and retrained models; reference and their evaluations; unlearned
        models; their evaluations and attacks."""
        experiment, cells = self.experiment, self.experiment.cells()
        splits, runs = experiment.own_splits, experiment.retrain_runs()
        yield [self._data()]
        yield self._base()
        target = experiment.target_run
        learnt = [self._finetune(experiment.target, "full", experiment.config["finetune"]["seed"])]
        for split in splits:
            table = experiment.retrain_table(split)
            for run in runs:
                seed = int(run.rpartition("=")[2])
                learnt.append(self._finetune(self.layout.model(split, run), table, seed))
        yield learnt
        trained = [self._evaluate(split, run) for split in splits for run in (target, *runs)]
        yield [*map(self._reference, splits), *trained]
        yield list(map(self._unlearn, cells))
        attacks = [self._relearn(cell, attack) for cell, attack in experiment.attacks()]
        yield [self._evaluate(cell.split, cell.run) for cell in cells] + attacks

    def _job(self, stage: str, settings: dict | None, **options) -> Job:
        """A stage's command with options as the rules give them; `out` is among them."""
        if settings is not None:
            options["settings"] = json.dumps(settings, sort_keys=True)
        words = []
        for option, value in options.items():
            words += [f"--{option}", *(value if isinstance(value, list) else [str(value)])]
        return Job(Path(options["out"]), stage, tuple(words))

    def _trained(self, stage: str, out: Path, settings: dict, **options) -> Job:
        """A job that trains: with its layout in memory and a state that it goes on from."""
        fit = json.dumps(self.experiment.fit(stage))
        options |= {"fit": fit, "out": out, "state": self.layout.state(out.parent)}
        options |= {"checkpoint-minutes": CHECKPOINT_MINUTES}
        return self._job(stage, settings, **options)

    def _data(self) -> Job:
        out, settings = self.layout.data, self.experiment.config["data"]
        options = {"splits": self.experiment.tables, "snapshot": [], "out": out}
        return self._job("data", settings, **options)

    def _base(self) -> list[Job]:
        out = Path(self.experiment.base)
        if self.experiment.from_scratch:
            settings = self.experiment.pretrain_settings()
            return [self._trained("pretrain", out, settings, data=self.layout.data)]
        if self.experiment.restored:
            gguf = self.experiment.config["model"]["path"]
            return [self._job("restore", None, gguf=gguf, out=out)]
        return []

    def _finetune(self, out: Path, table: str, seed: int) -> Job:
        options = {"model": self.experiment.base, "data": self.layout.data}
        options |= {"table": table, "seed": seed}
        return self._trained("finetune", out, self.experiment.finetune_settings(), **options)

    def _reference(self, split: str) -> Job:
        out = self.layout.reference(split, None)
        options = {"model": self.experiment.target, "data": self.layout.data}
        options |= {"split": split, "out": out}
        return self._job("reference", self.experiment.reference_settings(), **options)

    def _unlearn(self, cell: UnlearnRun) -> Job:
        out, settings = self.layout.model(cell.split, cell.run), self._settings_of(cell)
        options = {"model": self.experiment.target, "data": self.layout.data}
        options |= {
            "split": cell.split,
            "retain": self.experiment.benchmark.retain_table(cell.split),
        }
        options |= {"reference": self.layout.reference(cell.split, None), "seed": cell.seed}
        options |= {"trajectory": self.layout.trajectory(cell.split, cell.run)}
        return self._trained("unlearn", out, settings, **options)

    def _settings_of(self, cell: UnlearnRun) -> dict:
        return self.experiment.method_settings(cell.method, cell.variant, cell.split)

    def _relearn(self, cell: UnlearnRun, attack: str) -> Job:
        out = self.layout.trajectory(cell.split, cell.attacked_by(attack))
        options = {"model": self.layout.model(cell.split, cell.run), "data": self.layout.data}
        options |= {"split": cell.split, "attack": attack.partition("/")[0], "seed": cell.seed}
        return self._trained("relearn", out, self.experiment.relearn_settings(attack), **options)

    def _evaluate(self, split: str, run: str) -> Job:
        out = self.layout.evaluation(split, run)
        options = {"model": self.layout.model(split, run), "data": self.layout.data}
        options |= {"split": split, "target": [], "holdout": [], "out": out}
        options["fit"] = json.dumps(self.experiment.fit("evaluate"))
        return self._job("evaluate", self.experiment.evaluate_settings(), **options)


def start(job: Job, logs: Path, until: float) -> str:
    """Run a job: done, failed, or left where the time is over before its end."""
    if job.out.exists():
        return "done"
    if (rest := until - time.monotonic()) <= 0:
        return "left"
    log = logs / f"{job.stage}-{'-'.join(job.out.parts[-6:]).replace('/', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "unlearning", job.stage, *job.arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with log.open("w") as file:
        running = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            status = running.wait(rest)
        except subprocess.TimeoutExpired:
            running.terminate()  # a training job writes its state
            running.wait()
            return "left"
    if status == 0:
        return "done"
    print(f"failed: {log}: {log.read_text()[-300:].strip()}", flush=True)
    return "failed"


def configured(args: argparse.Namespace) -> Experiment:
    """The experiment with the model, data and seeds of the command line."""
    config = yaml.safe_load(args.configfile.read_text(encoding="utf-8"))
    config |= {"results": str(args.results), "forget_splits": args.splits, "keep_models": True}
    config["unlearn"]["seeds"] = args.seeds
    config["data"]["data_dir"] = args.data and str(args.data)
    config["model"]["path"] = args.model or config["model"]["path"]
    config["rehearsal"] = args.rehearsal
    return load_experiment(config, ROOT)


def main() -> int:
    """Print how many jobs of each stage are done; exit status 1 if one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, required=True)
    parser.add_argument("--model", help="folder, GGUF file or hub id; without it the config's")
    parser.add_argument("--data", type=Path, help="folder of TOFU's JSON files")
    parser.add_argument("--results", type=Path, required=True, help="folder that receives all")
    parser.add_argument("--splits", nargs="+", default=SPLITS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--jobs", type=int, default=8, help="at once")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--rehearsal", action="store_true", help="with a tiny model")
    args = parser.parse_args()
    experiment = configured(args)
    since, logs = time.monotonic(), experiment.layout.root / "logs"
    until = since + 60 * args.minutes
    ends: dict[str, dict[str, int]] = {}
    for wave in Jobs(experiment).waves():
        with ThreadPoolExecutor(args.jobs) as pool:
            results = list(pool.map(lambda job: start(job, logs, until), wave))
        for job, result in zip(wave, results, strict=True):
            counts = ends.setdefault(job.stage, {"done": 0, "left": 0, "failed": 0})
            counts[result] += 1
        if set(results) - {"done"}:
            break
    print("| stage | done | left | failed |\n|---|---|---|---|")
    for stage, counts in ends.items():
        print(f"| {stage} | {counts['done']} | {counts['left']} | {counts['failed']} |")
    print(f"\n{(time.monotonic() - since) / 60:.1f} minutes")
    return int(any(counts["failed"] for counts in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
