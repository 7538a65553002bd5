"""What a report on WMDP reads: accuracies on harness tasks and trajectories, no evaluation."""

import itertools
from pathlib import Path

from unlearning.benchmarks.wmdp.metrics import METRICS, TITLES
from unlearning.benchmarks.wmdp.mini import TASKS
from unlearning.files import read_json
from unlearning.reporting.results import Evaluation, Reader, Results, accuracy_of
from unlearning.reporting.setup import base_model, recipe

# metric -> the task whose accuracy it is of, and that of the mini world
TASK_NAMES = {
    "one_minus_bio": ("wmdp_bio", TASKS["bio"]),
    "one_minus_cyber": ("wmdp_cyber", TASKS["cyber"]),
    "mmlu": ("mmlu", TASKS["towns"]),
}


class WmdpReader(Reader):
    """Harness tasks stand for the evaluation."""

    retrained_needed = False

    def files(self, split: str, run: str) -> list[Path]:
        """The harness's record."""
        return [self.layout.harness(split, run)]

    def evaluation(self, split: str, run: str) -> Evaluation:
        """The accuracies that are WMDP's metrics."""
        path = self.layout.harness(split, run)
        self.harness[path] = read_json(path)  # _accuracies() looks there first
        return Evaluation(run, {}, metrics(self.harness[path]))

    def _accuracies(self, split: str, run: str) -> dict[str, float]:
        """Those of further tasks that the user names: WMDP's and MMLU's are the metrics."""
        accuracies = super()._accuracies(split, run)
        for task in itertools.chain.from_iterable(TASK_NAMES.values()):
            accuracies.pop(accuracy_of(task), None)
        return accuracies


def read(experiment) -> Results:
    """All results; UserError if the target's accuracies are missing, or models were asked different
    questions."""
    results = WmdpReader(experiment).read(METRICS, "wmdp")
    results.details |= {"lead": lead(experiment), "notes": notes(results)}
    return results


def metrics(record: dict) -> dict[str, float]:
    """1 - accuracy on bio and cyber, and accuracy on MMLU, of a harness record."""
    metrics = {}
    for name, tasks in TASK_NAMES.items():
        # An experiment has either WMDP's tasks or the mini world's.
        scores = next(s for task, s in record["tasks"].items() if task in tasks)
        metrics[name] = scores["accuracy"] if name == "mmlu" else 1 - scores["accuracy"]
    return metrics


def lead(experiment) -> str:
    config = experiment.config
    mini = config["data"]["source"] == "mini-wmdp"
    data = "germs and worms of the generated mini world" if mini else "WMDP's corpora"
    return (
        f"{', '.join(experiment.methods)} on {data} ({', '.join(experiment.splits)}). Base model "
        f"and target: {base_model(config['model'])}, unlearned as it is; nothing is retrained. "
        f"Shared recipe: {recipe(config['unlearn'])}."
    )


def notes(results: Results) -> list[str]:
    tasks = []
    for task, count in results.documents.items():
        tasks.append(f"{TITLES.get(task, task)} ({task}, {count} questions)")
    harness = f"lm-evaluation-harness {', '.join(results.versions)}"
    examples = results.experiment.config["harness"]["num_fewshot"]  # null: as each task says
    shots = "zero-shot" if examples == 0 else f"with {examples or 'each task’s'} examples"
    return [f"Asked {shots} through {harness}: {', '.join(tasks)}."]
