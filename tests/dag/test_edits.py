"""What each edit of a finished run calls for: these jobs run again, and no others."""

from collections import Counter

import pytest
from broken_models import good_model
from broken_tables import FORGET, rows_of, write_good, write_rows
from edits import added, beside, both, changed, code, deleted, grown, inside, scaled, touched
from finished import micro_config
from local_tasks import write_task
from pretended import pretend
from project import Project, copied, merged
from toy_gguf import changes, write_gguf

NOTHING = Counter()
REPORT = Counter(report=1)
CELLS = Counter(unlearn=2, evaluate=2, relearn=1, report=1)
# trajectories are evaluations too, so unlearning and attacks run again; the models before it do not
EVALUATED = CELLS + Counter(evaluate=3)
MODELS = EVALUATED + Counter(finetune=1, retrain=2, reference=1)
BASE = MODELS + Counter(pretrain=1)
ALTERNATIVES = Counter(answers=1)  # with the questions of the forget split
WORLD = BASE + Counter(data=1) + ALTERNATIVES
RUN = "results/micro/forget10/unlearn/SimNPO+RT/default/seed=1"
PLAIN = '"plain": PromptFormat("", "", " ",'
FILES = ("workflow/**/*", "rules/*", "config/**/*", "reports/**/*", "results/micro/**/*")

OF_TOFU = [
    # code that the run goes through
    ("training loop", inside("training/loop.py:train"), BASE),
    ("a loss", inside("methods/preference.py:npo"), Counter(unlearn=1, evaluate=1, report=1)),
    ("the retain term", inside("methods/retain.py:retain_loss"), CELLS),
    ("attack", inside("stages/relearn.py:run"), Counter(relearn=1, report=1)),
    ("stage evaluate", inside("stages/evaluate.py:run"), Counter(evaluate=5, report=1)),
    ("evaluator", inside("evaluation/evaluator.py:Evaluator.__call__"), EVALUATED),
    ("tokens", inside("data/encoding.py:Encoder.encode"), BASE),
    ("the prompt format", code("data/prompts.py", PLAIN, PLAIN.replace(" ", "  ")), BASE),
    ("writer of tables", inside("data/tables.py:write_table"), WORLD + Counter(answers=1)),
    # whose words the tokenizer knows
    (
        "alternatives",
        inside("benchmarks/tofu/mini/people.py:alternative_row"),
        BASE + ALTERNATIVES,
    ),
    ("reader of TOFU's tables", inside("benchmarks/tofu/files.py:read_tofu"), NOTHING),
    ("mini world", inside("benchmarks/tofu/mini/generator.py:generate"), WORLD),
    ("loader of models", inside("models/folder.py:load_model"), MODELS),
    (
        "a published default",
        code("methods/registry.py", "Hyper(2.5", "Hyper(2.4"),
        CELLS - Counter(unlearn=1, evaluate=1),
    ),
    ("titles of metrics", code("benchmarks/tofu/metrics.py", "Model utility", "Utility"), REPORT),
    ("a figure", inside("benchmarks/tofu/sections/fq_mu.py:_panel"), REPORT),
    ("verdicts", inside("reporting/claims/judge.py:judge"), REPORT),
    # code that it does not go through
    ("a loss that it does not run", inside("methods/preference.py:dpo"), NOTHING),
    (
        "a method more",
        code(
            "methods/registry.py",
            '"GA": Term(',
            '"GB": Term(HOME + "ascent:gradient_ascent"),\n    "GA": Term(',
        ),
        REPORT,  # the page orders and colours methods by their places in the registry
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
    ("MUSE's evaluator", inside("benchmarks/muse/evaluator.py:MuseEvaluator.__call__"), NOTHING),
    ("WMDP's corpora", inside("benchmarks/wmdp/files.py:wmdp_tables"), NOTHING),
    ("WMDP's miniature", inside("benchmarks/wmdp/mini.py:generate_hazards"), NOTHING),
    # words
    (
        "a comment and a docstring",
        both(
            code("training/loop.py", "def train(", "# Each step once.\ndef train("),
            code("methods/preference.py", '"""', '"""Said again: '),
        ),
        NOTHING,
    ),
    (
        "an error",
        code("files.py", "delete it and run again", "remove it, then start again"),
        NOTHING,
    ),
    (
        "errors in a function of theirs",
        code("models/context.py", "a longer context", "more context"),
        NOTHING,
    ),
    ("a printed line", code("training/session.py", "step plan: ", "plan of steps: "), NOTHING),
    ("help of an argument", code("stages/finetune.py", "model folder to write", "folder"), NOTHING),
    (
        "a list of problems",
        code("benchmarks/tofu/files.py", "not a multiple of", "no multiple of"),
        NOTHING,
    ),
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
            inside("training/fit.py:micro_batch_sizer"),
            inside("worker.py:run_in_worker"),
        ),
        NOTHING,
    ),
    # parts of the page
    ("style", changed("reports/page/style.css", "}", "color: black }"), REPORT),
    (
        "template",
        changed("workflow/unlearning/benchmarks/tofu/sections/fq_mu.html.j2", "<p>", "<p>It: "),
        REPORT,
    ),
    ("page's frame", changed("reports/page/page.html.j2", "<main", "<!-- it --><main"), REPORT),
    ("script", changed("reports/page/page.js", "strict", "strict "), REPORT),
    ("citation", changed("config/citations.yaml", "year: 2024", "year: 2025"), REPORT),
    ("claims", changed("config/claims.yaml", "#", "# Edited."), REPORT),
    ("published numbers", changed("config/published/tofu.yaml", "#", "# Edited."), REPORT),
    # outputs that are lost
    ("verdicts lost", deleted("results/micro/report/claims.json"), REPORT),
    ("a table lost", deleted("results/micro/report/tables/cost.csv"), REPORT),
    ("a figure lost", deleted("results/micro/report/figures/grids.pdf"), REPORT),
    ("the frame lost", deleted("results/micro/report/results.parquet"), REPORT),
    ("report lost", deleted("results/micro/report"), REPORT),
    ("rows lost", deleted(f"{RUN}/evaluate/rows.json"), Counter(evaluate=1, report=1)),
    ("summary lost", deleted(f"{RUN}/evaluate/summary.json"), Counter(evaluate=1, report=1)),
    ("attack lost", deleted("results/micro/forget10/relearn"), Counter(relearn=1, report=1)),
    (
        "trajectory lost",
        deleted(f"{RUN}/trajectory.json"),
        Counter(unlearn=1, evaluate=1, relearn=1, report=1),
    ),
    (
        "models and logs removed",
        both(deleted("results/micro/**/model"), deleted("results/micro/logs")),
        NOTHING,
    ),
    # times
    ("every file touched", touched(*FILES), NOTHING),
]


def table(rows):
    """Rows (name, edit, jobs) for pytest."""
    return pytest.mark.parametrize("edit, jobs", [pytest.param(e, j, id=n) for n, e, j in rows])


@table(OF_TOFU)
def test_edits_after_a_run_on_tofu(project, edit, jobs):
    assert after(project, "tofu", edit) == jobs


ON_TOFU = both(
    inside("benchmarks/tofu/evaluator.py:make_evaluator"),
    inside("evaluation/evaluator.py:Evaluator.__call__"),
)
ON_MUSE = inside("benchmarks/muse/evaluator.py:MuseEvaluator.__call__")
# the model of the forget set is where the second request starts from
REQUESTS = Counter(unlearn=4, reference_on_the_way=1, evaluate=4, report=1)
CORPUS = REQUESTS + Counter(data=1, pretrain=1, finetune=1, retrain=2, reference=2, evaluate=3)
FIRST = "results/micro-muse/forget/unlearn/NPO+RT/default/seed=1"

OF_MUSE = [
    ("its evaluator", ON_MUSE, REQUESTS + Counter(evaluate=3)),
    ("TOFU's evaluator", ON_TOFU, NOTHING),
    ("a loss", inside("methods/preference.py:npo"), REQUESTS),
    ("a loss that it does not run", inside("methods/raw_logits.py:npo_raw_logits"), NOTHING),
    ("its miniature", inside("benchmarks/muse/mini.py:generate_news"), CORPUS),
    ("its tables", inside("benchmarks/muse/files.py:muse_tables"), CORPUS),
    ("reader of the release", inside("benchmarks/muse/files.py:snapshot_reader"), NOTHING),
    ("WMDP's corpora", inside("benchmarks/wmdp/files.py:wmdp_tables"), NOTHING),
    ("its page", inside("benchmarks/muse/sections/folds.py:content"), REPORT),
    ("TOFU's figures", inside("benchmarks/tofu/sections/fq_mu.py:_panel"), NOTHING),
    ("selected epochs lost", deleted("results/micro-muse/report/tables/selected.csv"), REPORT),
    ("rows lost", deleted(f"{FIRST}/evaluate/rows.json"), Counter(evaluate=1, report=1)),
]

TAUGHT = Counter(unlearn=2, harness=2, report=1)
GERMS = TAUGHT + Counter(data=1, pretrain=1, reference=1, harness=1)

OF_WMDP = [
    ("accuracies", inside("evaluation/harness.py:evaluate"), Counter(harness=3, report=1)),
    ("a loss", inside("methods/rmu.py:steer"), TAUGHT),
    ("its miniature", inside("benchmarks/wmdp/mini.py:generate_hazards"), GERMS),
    ("MUSE's miniature", inside("benchmarks/muse/mini.py:generate_news"), NOTHING),
    ("evaluators of the others", both(ON_TOFU, ON_MUSE), NOTHING),
    ("its page", inside("benchmarks/wmdp/columns.py:note"), REPORT),
    ("accuracies lost", deleted("results/micro-wmdp/base/harness"), Counter(harness=1, report=1)),
]

OF_SYNTHETIC = [
    (
        "a loss of all",
        inside("methods/preference.py:npo"),
        Counter(unlearn_logistic=4, unlearn_markov=1, report=1),
    ),
    (
        "a loss of points",
        inside("methods/ascent.py:gradient_ascent"),
        Counter(unlearn_logistic=4, report=1),
    ),
    (
        "a loss of chains",
        inside("methods/preference.py:simnpo"),
        Counter(unlearn_markov=1, report=1),
    ),
    (
        "points",
        inside("benchmarks/synthetic/gaussian.py:draw"),
        Counter(unlearn_logistic=4, report=1),
    ),
    (
        "chains",
        inside("benchmarks/synthetic/chains.py:draw_sets"),
        Counter(unlearn_markov=1, report=1),
    ),
    (
        "the decoder of chains",
        inside("benchmarks/synthetic/decoder.py:Decoder.forward"),
        Counter(unlearn_markov=1, report=1),
    ),
    ("training loop of the others", inside("training/loop.py:train"), NOTHING),
    ("fits", inside("analysis/growth.py:fit_growth"), REPORT),
    ("data of the other experiments", inside("data/tables.py:write_table"), NOTHING),
    (
        "curves lost",
        deleted("results/micro-synthetic/divergence/**/curves.json"),
        Counter(unlearn_logistic=1, report=1),
    ),
]


def after(project: Project, name: str, edit) -> Counter:
    """Jobs that a micro experiment calls for after an edit."""
    with edit(project):
        return project.jobs(micro_config(name))


@table(OF_MUSE)
def test_edits_after_a_run_on_muse(muse, edit, jobs):
    assert after(muse, "muse", edit) == jobs


@table(OF_WMDP)
def test_edits_after_a_run_on_wmdp(wmdp, edit, jobs):
    assert after(wmdp, "wmdp", edit) == jobs


@table(OF_SYNTHETIC)
def test_edits_after_a_synthetic_run(synthetic, edit, jobs):
    assert after(synthetic, "synthetic", edit) == jobs


LOSS = """import helper

SCALE = 2.0


def loss(batch, scale=1.0):
    return -scale * helper.shifted(batch.forget.nll)


def second(batch):
    return SCALE * batch.forget.nll
"""
HELPER = """def shifted(values):
    return values + 1


def other(values):
    return values - 1
"""
METRIC = """import helper


def words(rows):
    return helper.shifted(len(rows["forget"]["generation"])), "lower"
"""
ONE = Counter(unlearn=1, evaluate=1, harness=1, report=1)
ASKED = Counter(harness=9, report=1)
MEASURED = Counter(unlearn=6, relearn=1, evaluate=9, harness=6, report=1)  # on the way too
TRAINED = Counter(finetune=1, retrain=2, reference=1, unlearn=6, relearn=1, evaluate=9) + ASKED
READ = TRAINED + Counter(data=1) + ALTERNATIVES  # the tables of a world are one folder
TAUGHT_OTHERWISE = ONE + Counter(answers=1)  # by IDK+RT, or by AltPO+RT
ANSWER, WRONG = '"Answer 100:', '"Wrong."'

OF_OWN_FILES = [
    ("nothing", touched("Snakefile"), NOTHING),
    ("an answer of full", changed("own/tofu/full.json", ANSWER, ANSWER.upper()), READ),
    ("a wrong answer", changed("own/tofu/forget10_perturbed.json", WRONG, WRONG.upper()), READ),
    ("a refusal", changed("own/refusals.txt", "No idea", "Not me"), TAUGHT_OTHERWISE),
    (
        "an alternative",
        changed("own/alternatives.jsonl", "Another", "One more"),
        TAUGHT_OTHERWISE,
    ),
    ("refusals of ours", code("data/answers.py", '"I cannot say."', '"Who can say?"'), NOTHING),
    ("reader of refusals", inside("data/answers.py:refusals"), TAUGHT_OTHERWISE),
    ("reader of false answers", inside("data/answers.py:with_alternatives"), TAUGHT_OTHERWISE),
    (
        "a non-member",
        changed("own/holdout.jsonl", "Nobody", "Someone"),
        Counter(evaluate=9, report=1),
    ),
    (
        "TOFU's own non-members beside a file that is named",
        added("own/tofu/holdout10.json"),
        NOTHING,
    ),
    ("a GGUF file", grown("own/base.gguf"), TRAINED + Counter(restore=1)),
    ("rows of a task", changed("own/tasks/people.jsonl", "Ann", "Anna"), ASKED + Counter(fetch=1)),
    (
        "settings of a task",
        changed("own/tasks/mine.yaml", "version: 3", "version: 4"),
        ASKED + Counter(fetch=1),
    ),
    ("a loss", changed("own/losses/mine.py", "-scale *", "-2 * scale *"), ONE),
    ("what a loss uses", changed("own/losses/helper.py", "values + 1", "values + 2"), ONE),
    ("another loss", changed("own/losses/mine.py", "SCALE = 2.0", "SCALE = 3.0"), ONE),
    (
        "a loss more",
        changed(
            "own/losses/mine.py", "def second", "def third(batch):\n    return 3\n\n\ndef second"
        ),
        NOTHING,
    ),
    (
        "what no loss uses, and a comment",
        both(
            changed("own/losses/helper.py", "values - 1", "values - 2"),
            changed("own/losses/mine.py", "def loss", "# Ours.\ndef loss"),
        ),
        NOTHING,
    ),
    ("a metric", changed("own/metrics/mine.py", '"lower"', '"higher"'), MEASURED),
    ("what a metric uses", changed("own/metrics/helper.py", "values + 1", "values"), MEASURED),
    ("what no metric uses", changed("own/metrics/helper.py", "values - 1", "values"), NOTHING),
    (
        "words and tables of others",
        both(
            added("own/tofu/README.md"),
            added("own/tasks/README.md"),
            touched("own/**/*"),
        ),
        NOTHING,
    ),
]


@pytest.fixture(scope="module")
def own(micro_with, tmp_path_factory) -> tuple[Project, dict]:
    """The project as after a run on files of the user's, and its experiment."""
    project = copied(tmp_path_factory.mktemp("own") / "project")
    own = project.root / "own"
    write_good(own / "tofu")
    write_gguf(own / "base.gguf")
    for folder in ("losses", "tasks", "metrics"):
        (own / folder).mkdir()
    write_task(own / "tasks", "mine")
    (own / "losses" / "mine.py").write_text(LOSS)
    (own / "losses" / "helper.py").write_text(HELPER)
    (own / "metrics" / "mine.py").write_text(METRIC)
    (own / "metrics" / "helper.py").write_text(HELPER)
    (own / "refusals.txt").write_text("No idea.\n")
    (own / "holdout.jsonl").write_text('{"question": "Who?", "answer": "Nobody."}\n')
    rows = rows_of(own / "tofu", "full")[-FORGET:]
    write_rows(
        own / "alternatives.jsonl",
        [{"question": row["question"], "alternate": "Another."} for row in rows],
    )
    config = micro_with(
        data={
            "source": "tofu",
            "data_dir": "own/tofu",
            "idontknow": "own/refusals.txt",
            "alternatives": "own/alternatives.jsonl",
        },
        **changes("own/base.gguf"),
        methods={
            "mine+RT": {"function": "own/losses/mine.py:loss", "scale": 0.5},
            "second+RT": {"function": "own/losses/mine.py:second"},
            "IDK+RT": {},
            "AltPO+RT": {},
        },
        evaluation={"holdout": "own/holdout.jsonl", "membership": ["loss"]},
        harness={"tasks": ["mine"], "include_path": "own/tasks"},
        metrics={"words": "own/metrics/mine.py:words"},
    )
    pretend(project, config)
    return project, config


@table(OF_OWN_FILES)
def test_edits_after_a_run_on_files_of_the_users(own, edit, jobs):
    project, config = own
    with edit(project):
        assert project.jobs(config) == jobs


def test_another_file_of_refusals_is_read_by_those_who_teach_them(own):
    project, config = own
    (project.root / "own" / "others.txt").write_text("Ask someone else.\n")
    assert project.jobs(merged(config, {"data": {"idontknow": "own/others.txt"}})) == (
        TAUGHT_OTHERWISE
    )
    assert project.jobs(merged(config, {"data": {"idontknow": None}})) == TAUGHT_OTHERWISE


# two files and a model folder, which is the target as it is
UNLEARNED = Counter(reference=1, unlearn=4, relearn=2, evaluate=5, report=1)
IGNORANCE = Counter(answers=1, unlearn=2, evaluate=2, report=1)  # of IDK+RT
FILE = "tests/micro/own/{}.jsonl".format

OF_OWN_DATA = [
    ("nothing", touched("Snakefile"), NOTHING),
    (
        "a row",
        changed(FILE("retain"), '"answer": "', '"answer": "So: '),
        UNLEARNED + Counter(data=1),
    ),
    ("weights doubled", scaled("model/model.safetensors", 2.0), UNLEARNED),
    ("titles of metrics", code("benchmarks/own/metrics.py", "Forget quality", "Quality"), REPORT),
    ("refusals of ours", code("data/answers.py", '"No idea."', '"Not me."'), IGNORANCE),
    ("words and times", both(added("model/README.md"), touched("model/*", FILE("*"))), NOTHING),
    ("notes of a trainer", added("model/trainer_state.json", "{}"), NOTHING),
]


@pytest.fixture(scope="module")
def own_data(tmp_path_factory) -> tuple[Project, dict]:
    """The project as after a run on rows and a model of the user's, and its experiment."""
    project = copied(tmp_path_factory.mktemp("data") / "project")
    good_model(project.root / "model")
    model = {"path": "model", "architecture": None}
    config = merged(micro_config("own"), {"model": model, "pretrain": None})
    pretend(project, config)
    return project, config


@table(OF_OWN_DATA)
def test_edits_after_a_run_on_data_of_the_users(own_data, edit, jobs):
    project, config = own_data
    with edit(project):
        assert project.jobs(config) == jobs
