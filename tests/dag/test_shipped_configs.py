"""Every experiment that is shipped is valid and can be planned on any machine."""

import json
from collections import Counter
from math import prod

import pytest
import yaml
from folders import EXPERIMENTS, ROOT
from unlearning.config.experiment import load_experiment
from unlearning.planning.stages import CostEstimate

SHIPPED = [ROOT / "config" / "config.yaml", *sorted(EXPERIMENTS.glob("*.yaml"))]
SCRATCH, HUB = {"pretrain": 1}, {"fetch": 2}  # of the hub: model and data
# the mini world's tokenizer knows the words of refusals and of false answers
MINI = {**SCRATCH, "answers": 2}
IGNORANCE = {"answers": 1}  # for IDK, DPO and KTO
MODELS = 3  # of each split that are evaluated beside the unlearned ones: the target, two retrained


def retrained(*cells: int, splits: int = 1, references: int | None = None, **more: int) -> Counter:
    """Jobs where unlearned models are compared with retrained ones. cells: factors of the number of
    unlearning runs; references: sets of scores under the target, else one for each split."""
    unlearn = prod(cells)
    jobs = Counter(data=1, finetune=1, retrain=2 * splits, unlearn=unlearn, report=1)
    jobs += Counter(evaluate=MODELS * splits + unlearn, reference=references or splits)
    return jobs + Counter(more)


def in_draws(draws: int, jobs: Counter) -> Counter:
    """These jobs in several draws, each with tables of its own; the report is one."""
    return Counter({rule: draws * count for rule, count in jobs.items()} | {"report": 1})


def on_tasks(*cells: int, **more: int) -> Counter:
    """Jobs where the target and the unlearned models answer harness tasks."""
    unlearn = prod(cells)
    return Counter(data=1, reference=1, unlearn=unlearn, harness=1 + unlearn, report=1, **more)


# Counted by hand from each file: variants of its methods, seeds, forget splits.
JOBS = {
    "config": retrained(10, 3, **MINI, relearn=3 * 3 * 2),  # both attacks on 3 variants
    "mini-all-methods": retrained(31 + 3, 3, **MINI),  # three methods have two variants
    "mini-divergence": retrained(1 + 5, 3, **MINI),
    "mini-draws": in_draws(5, retrained(10, 2, **MINI, relearn=3 * 2 * 2)),
    "mini-large-splits": retrained(4, 3, 4, splits=4, **MINI),
    "mini-map-npo": retrained(4 * 3, 3, **MINI),
    "mini-map-simnpo": retrained(3 * 2 * 2, 3, **MINI),
    # one method and seed on scal2-4, which start from the target, and on sust2-4, which do not
    "mini-muse": retrained(7 * 3 + 6, references=4, reference_on_the_way=3, **SCRATCH),
    "mini-reference-bias": retrained(2 + 2 * 4 + 1, 3, replaced_reference=4, **MINI),
    "mini-relearning": retrained(3, 3, **MINI, relearn=3 * 3 * 2 * 4),
    "mini-retain-weight": retrained(6, 3, **MINI),
    "mini-splits": retrained(7, 3, 2, splits=2, **MINI),
    "mini-wmdp": on_tasks(6, 3, **SCRATCH),
    "muse-books-iclm-7b": retrained(17, 3, **HUB),
    # two methods and one seed on the folds
    "muse-news-llama2-7b": retrained(
        17 * 3 + 6 * 2, references=4, reference_on_the_way=3 * 2, **HUB
    ),
    # five seeds: of two settings and the divergence; of two methods, all values of beta in one job
    "synthetic": Counter(unlearn_logistic=3 * 5, unlearn_markov=2 * 5, report=1),
    "synthetic-published": Counter(unlearn_logistic=3 * 5, unlearn_markov=2 * 5, report=1),
    "tofu-divergence-llama2-7b": retrained(1 + 5, 5, **HUB),
    "tofu-large-splits-llama2-7b": retrained(9, 5, 4, splits=4, **HUB, **IGNORANCE),
    "tofu-llama2-7b": retrained(10, 5, 3, splits=3, **HUB, **IGNORANCE, relearn=3 * 5 * 3 * 2),
    "tofu-llama3.2-1b": retrained(10, 5, 3, splits=3, **HUB, **IGNORANCE, relearn=3 * 5 * 3 * 2),
    # target and retrained models from the hub: of each split these two are evaluated
    "tofu-llama3.2-1b-open-unlearning": Counter(
        **IGNORANCE,
        fetch=1 + 1 + 3,
        data=1,
        reference=3,
        unlearn=6 * 5 * 3,
        evaluate=3 * 2 + 90,
        report=1,
    ),
    "tofu-map-npo-llama2-7b": retrained(5 * 4, 3, **HUB),
    "tofu-map-simnpo-llama2-7b": retrained(4 * 2 * 4, 3, **HUB),
    "tofu-phi1.5": retrained(10, 5, 3, splits=3, **HUB, **IGNORANCE, relearn=3 * 5 * 3 * 2),
    "tofu-reference-bias-llama2-7b": retrained(1 + 5 + 1, 5, replaced_reference=5, **HUB),
    "tofu-relearning-llama2-7b": retrained(2, 5, **HUB, relearn=2 * 5 * 2 * 4),
    "tofu-retain-weight-llama2-7b": retrained(7, 5, **HUB),
    "tofu-smollm2-135m": retrained(8, 3, 2, splits=2, **HUB, **IGNORANCE, relearn=4 * 3 * 2 * 2),
    # its data alone comes from the hub
    "tofu-tiny": retrained(
        5, 3, 2, splits=2, fetch=1, **SCRATCH, **IGNORANCE, relearn=2 * 3 * 2 * 2
    ),
    "wmdp-zephyr-7b": on_tasks(6, 3, fetch=4),  # model, forget and retain documents, tasks
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_dry_run(fresh, path):
    """Without data, models or a GPU; `plan` and Snakemake count every run of the config."""
    jobs = fresh.jobs(path)
    assert jobs == JOBS[path.stem]
    experiment = load_experiment(yaml.safe_load(path.read_text(encoding="utf-8")), ROOT)
    if experiment.on_language_model:
        assert CostEstimate(experiment, room=80e9).jobs() == jobs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_paths_do_not_depend_on_the_order_of_keys(path):
    """The report reads its settings as sorted JSON, and must find what the rules wrote."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    written = load_experiment(config, ROOT)
    read = load_experiment(json.loads(json.dumps(config, sort_keys=True)), ROOT)
    if not written.on_language_model:
        assert read.jobs() == written.jobs()
        return
    assert read.cells() == written.cells()
    assert read.attacks() == written.attacks()


def test_names_are_those_of_the_files():
    """The report of config/experiments/x.yaml lies in results/x."""
    for path in SHIPPED[1:]:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["experiment"] == path.stem
