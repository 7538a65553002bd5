"""What holds for experiments on MUSE alone."""

from unlearning.data.splits import MUSE_FORGET, split_before
from unlearning.data.world import news_size_problems
from unlearning.methods.own import own_methods
from unlearning.methods.registry import names, terms

_ON_TEXT = {"forget", "retain"}  # roles that a corpus without questions can fill
_FOR_QUESTIONS = ("retain_authors", "idontknow", "alternatives")


def muse_problems(config: dict) -> list[str]:
    """Every problem of a MUSE experiment that the schema accepts."""
    return [*_data(config), *_splits(config), *_folds(config), *_not_on_text(config)]


def _data(config: dict) -> list[str]:
    data, problems = config["data"], []
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "mini-muse":
        found = news_size_problems(**data["mini_muse"])
        problems += [f"data.mini_muse: {problem}" for problem in found]
        unused = ("data_dir", "corpus", *_FOR_QUESTIONS)
        if not scratch:
            problems.append(
                "model: mini-muse is made for a model from random weights; set model.architecture"
            )
    else:
        unused = _FOR_QUESTIONS
        if data["data_dir"] is None and data["corpus"] is None:
            problems.append("data.corpus: which of MUSE's corpora on the hub? Set News or Books")
        if scratch:
            problems.append("model: MUSE has no pre-training texts; set model.path")
    problems += [
        f"data.{key}: not for data.source {data['source']}, found {data[key]!r}"
        for key in unused
        if data[key] is not None
    ]
    return problems


def _splits(config: dict) -> list[str]:
    problems = []
    if config["world_splits"] is not None:
        problems.append("world_splits: MUSE's tables are always written whole; set null")
    if config["forget_splits"] == [MUSE_FORGET]:
        return problems
    return problems + [
        f"forget_splits: MUSE has one, [{MUSE_FORGET}]; found {config['forget_splits']}. Larger "
        "and later forget sets (scal2, sust2, …) stand in folds.splits"
    ]


def _folds(config: dict) -> list[str]:
    folds, problems = config["folds"], []
    splits, data = folds["splits"], config["data"]
    if bool(splits) != bool(folds["methods"]):
        problems.append("folds: splits and methods go together; set both or none")
    known = list(config["methods"])
    problems += [
        f"folds.methods: '{name}' is not among this experiment's methods ({', '.join(known)})"
        for name in folds["methods"]
        if name not in known
    ]
    problems += [
        f"folds.seeds: {seed} is not among unlearn.seeds {config['unlearn']['seeds']}"
        for seed in folds["seeds"] or []
        if seed not in config["unlearn"]["seeds"]
    ]
    problems += [
        f"folds.splits: {split} goes on from {split_before(split)}; list that as well"
        for split in splits
        if split_before(split) not in (None, MUSE_FORGET, *splits)
    ]
    if splits and data["data_dir"] is None and data["corpus"] == "Books":
        problems.append("folds.splits: MUSE-Books has no folds, only News; remove them")
    return problems


def _not_on_text(config: dict) -> list[str]:
    problems = []
    losses, _ = own_methods(config["methods"])
    for method in config["methods"]:
        used = terms(method, losses) if method in names(losses) else ()
        if any(set(term.roles) - _ON_TEXT for term in used if term is not None):
            problems.append(
                f"methods.{method}: answers questions with other answers, but MUSE's forget set is "
                "text without questions; remove it"
            )
    if config["relearn"]["methods"]:
        problems.append(
            "relearn.methods: attacks are judged by TOFU's forget quality, which MUSE does not "
            "have; remove them"
        )
    if config["harness"]["tasks"]:
        problems.append(
            "harness.tasks: a MUSE report has no table of them; remove them, and evaluate model "
            "folders with `python -m unlearning harness`"
        )
    if config["finetune"]["replay_rows"]:
        problems.append("finetune.replay_rows: MUSE worlds have no replay table; set 0")
    evaluation = config["evaluation"]
    problems += [
        f"evaluation.{key}: MUSE is evaluated as released; remove it, found {evaluation[key]!r}"
        for key, unset in {"variant": "official", "membership": [], "fluency": False}.items()
        if evaluation[key] != unset
    ]
    if config["model"]["prompt"] != "plain":
        problems.append(
            f"model.prompt: MUSE spells its own prompts; set plain, found "
            f"{config['model']['prompt']}"
        )
    return problems
