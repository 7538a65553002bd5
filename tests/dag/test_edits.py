"""What each edit of a finished run calls for: these jobs run again, and no others."""

from collections import Counter

import pytest
from edits import added, beside, both, changed, code, deleted, inside, touched
from finished import MICRO

NOTHING = Counter()
REPORT = Counter(report=1)
CELLS = Counter(unlearn=2, evaluate=2, relearn=1, report=1)
# trajectories are evaluations too, so unlearning and attacks run again; the models before it do not
EVALUATED = CELLS + Counter(evaluate=3)
MODELS = EVALUATED + Counter(finetune=1, retrain=2, reference=1)
BASE = MODELS + Counter(pretrain=1)
WORLD = BASE + Counter(data=1)
RUN = "results/micro/forget10/unlearn/SimNPO+RT/default/seed=1"
PLAIN = '"plain": PromptFormat("", "", " ",'
FILES = ("workflow/**/*", "rules/*", "config/**/*", "reports/**/*", "results/micro/**/*")

OF_TOFU = [
    # code that the run goes through
    ("training loop", inside("training/loop.py:train"), BASE),
    ("rows of unlearning", inside("training/sources.py:UnlearnSource.draws"), CELLS),
    ("a loss", inside("methods/preference.py:npo"), Counter(unlearn=1, evaluate=1, report=1)),
    ("the retain term", inside("methods/retain.py:retain_loss"), CELLS),
    ("attack", inside("stages/relearn.py:run"), Counter(relearn=1, report=1)),
    ("stage evaluate", inside("stages/evaluate.py:run"), Counter(evaluate=5, report=1)),
    ("evaluator", inside("evaluation/evaluator.py:Evaluator.__call__"), EVALUATED),
    ("ROUGE", inside("evaluation/rouge.py:RougeL.__call__"), EVALUATED),
    ("tokens", inside("data/encoding.py:Encoder.encode"), BASE),
    ("the prompt format", code("data/prompts.py", PLAIN, PLAIN.replace(" ", "  ")), BASE),
    ("writer of tables", inside("data/tables.py:write_table"), WORLD),
    ("mini world", inside("data/world/generator.py:generate"), WORLD),
    ("loader of models", inside("models/folder.py:load_model"), MODELS),
    (
        "a published default",
        code("methods/registry.py", "Hyper(2.5", "Hyper(2.4"),
        CELLS - Counter(unlearn=1, evaluate=1),
    ),
    ("which cells there are", inside("config/experiment.py:Experiment.cells"), REPORT),
    ("titles of metrics", code("evaluation/metrics.py", "Model utility", "Utility"), REPORT),
    ("a figure", inside("reporting/scatter.py:scatter_panel"), REPORT),
    ("verdicts", inside("reporting/claims.py:judge"), REPORT),
    # code that it does not go through
    ("a loss that it does not run", inside("methods/preference.py:dpo"), NOTHING),
    (
        "a method more",
        code(
            "methods/registry.py",
            '"GA": Term(',
            '"GB": Term(HOME + "ascent:gradient_ascent"),\n    "GA": Term(',
        ),
        NOTHING,
    ),
    (
        "a prompt format more",
        code("data/prompts.py", PLAIN, PLAIN.replace("plain", "bare") + ' "ours"),\n    ' + PLAIN),
        NOTHING,
    ),
    (
        "functions that nothing calls",
        both(
            beside("training/loop.py"), beside("data/tables.py"), beside("evaluation/evaluator.py")
        ),
        NOTHING,
    ),
    ("MUSE's evaluator", inside("evaluation/muse_evaluator.py:MuseEvaluator.__call__"), NOTHING),
    ("WMDP's corpora", inside("data/wmdp.py:wmdp_tables"), NOTHING),
    ("WMDP's miniature", inside("data/world/hazards.py:generate_hazards"), NOTHING),
    # words
    ("a comment", code("training/loop.py", "def train(", "# Each step once.\ndef train("), NOTHING),
    ("a docstring", code("methods/preference.py", '"""', '"""Said again: '), NOTHING),
    (
        "an error",
        code("files.py", "delete it and run again", "remove it, then start again"),
        NOTHING,
    ),
    ("errors in a function of theirs", code("models/context.py", "a longer context", "more context"), NOTHING),
    ("a printed line", code("stages/common.py", "step plan: ", "plan of steps: "), NOTHING),
    ("help of an argument", code("stages/finetune.py", "model folder to write", "folder"), NOTHING),
    ("a list of problems", code("data/tofu.py", "not a multiple of", "no multiple of"), NOTHING),
    (
        "checks before the run",
        both(
            inside("config/preflight.py:preflight"),
            inside("config/checks.py:cross_problems"),
            inside("outside.py:digests"),
        ),
        NOTHING,
    ),
    (
        "plan, progress, memory",
        both(
            inside("planning/memory.py:training"),
            inside("progress.py:Progress.update"),
            inside("training/fit.py:passes_of"),
            inside("worker.py:through_worker"),
        ),
        NOTHING,
    ),
    # parts of the page
    ("style", changed("reports/page/style.css", "}", "color: black }"), REPORT),
    ("template", changed("reports/index.html.j2", "<main", "<!-- edited --><main"), REPORT),
    ("claims", changed("config/claims.yaml", "#", "# Edited."), REPORT),
    ("published numbers", changed("config/published/tofu.yaml", "#", "# Edited."), REPORT),
    # outputs that are lost
    ("page lost", deleted("results/micro/report/index.html"), REPORT),
    ("verdicts lost", deleted("results/micro/report/claims.json"), REPORT),
    ("a table lost", deleted("results/micro/report/tables/cost.csv"), REPORT),
    ("a figure lost", deleted("results/micro/report/figures/grids.svg"), REPORT),
    ("report lost", deleted("results/micro/report"), REPORT),
    ("rows lost", deleted(f"{RUN}/evaluate/rows.json"), Counter(evaluate=1, report=1)),
    ("summary lost", deleted(f"{RUN}/evaluate/summary.json"), Counter(evaluate=1, report=1)),
    ("attack lost", deleted("results/micro/forget10/relearn"), Counter(relearn=1, report=1)),
    (
        "trajectory lost",
        deleted(f"{RUN}/trajectory.json"),
        Counter(unlearn=1, evaluate=1, relearn=1, report=1),
    ),
    ("models removed", deleted("results/micro/**/model"), NOTHING),
    ("logs removed", deleted("results/micro/logs"), NOTHING),
    # times
    ("every file touched", touched(*FILES), NOTHING),
]


def table(rows):
    """Rows (name, edit, jobs) for pytest."""
    return pytest.mark.parametrize("edit, jobs", [pytest.param(e, j, id=n) for n, e, j in rows])


@table(OF_TOFU)
def test_edits_after_a_run_on_tofu(project, edit, jobs):
    with edit(project):
        assert project.planned() == jobs
