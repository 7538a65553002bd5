"""Search for input that is accepted wrongly: mutated configs, data folders, model folders and logs.

    python tests/soak/fuzz.py --seed 1

Each input is drawn at random from what people get wrong (tests/support/broken_*.py) and from
changes that mean nothing. What must follow is known for each: a refusal that names the cause, or
the same result as without the change. Prints a Markdown table; the exit status is 1 if anything
else happened, and each such input is listed.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import broken_configs
import broken_logs
import broken_models
import broken_tables
from folders import ROOT
from project import micro
from unlearning.benchmarks.tofu.logs.reading import read_log
from unlearning.benchmarks.tofu.stages.score import score
from unlearning.config.experiment import load_experiment
from unlearning.config.reading import read_experiment
from unlearning.config.schema import schema_for
from unlearning.data.build import build_tables
from unlearning.data.problems import data_problems
from unlearning.errors import UserError
from unlearning.models.folder import load_model
from unlearning.models.judgement import judge

COUNTS = {"configs": 500, "data folders": 200, "model folders": 100, "logs": 200}
REFUSED, RIGHT = "refused, the cause named", "ran right"
UNNAMED, REFUSED_WRONGLY = "refused, the cause not named", "refused wrongly"
TRACEBACK, ACCEPTED_WRONGLY = "traceback", "accepted wrongly"
OUTCOMES = (REFUSED, RIGHT, UNNAMED, REFUSED_WRONGLY, TRACEBACK, ACCEPTED_WRONGLY)
Trial = Callable[[random.Random, Path], tuple[str, str, str]]  # -> name, outcome, message


def outcome(run: Callable, same: Callable[[object], bool], causes: list[tuple] | None):
    """(outcome, message) of run(), which raises UserError or returns what `same` accepts.

    causes: for each mistake the parts that name it, of which one mistake has to be named in full;
    None where the input is right.
    """
    try:
        result = run()
    except UserError as error:
        message = str(error)
        if causes is None:
            return REFUSED_WRONGLY, message
        named = any(all(part in message for part in parts) for parts in causes)
        return (REFUSED if named else UNNAMED), message
    except Exception as error:
        return TRACEBACK, f"{type(error).__name__}: {error}"
    if causes is None and same(result):
        return RIGHT, ""
    return ACCEPTED_WRONGLY, ""


def config_trial() -> Trial:
    """One or two mistakes in the micro experiment's config, or another spelling of it."""
    right = micro()
    expected = load_experiment(right, ROOT).config
    mistakes = [*broken_configs.BROKEN, *broken_configs.schema_mistakes(schema_for(right, ROOT))]

    def trial(draw: random.Random, folder: Path) -> tuple[str, str, str]:
        chosen = draw.sample(mistakes, draw.choice([0, 1, 1, 2]))
        config, edits = right, []
        for mistake in chosen:
            config = mistake.config(config)
            edits.append(mistake.edit)
        text = respelt(config, draw)
        for edit in edits:
            text = edit(text)
        path = folder / "config.yaml"
        path.write_text(text, encoding="utf-8")
        name = " + ".join(mistake.name for mistake in chosen) or "another spelling"
        causes = [mistake.expected for mistake in chosen] or None
        run = lambda: read_experiment([path], {}, ROOT)  # noqa: E731
        return name, *outcome(run, lambda experiment: experiment.config == expected, causes)

    return trial


def respelt(config: dict, draw: random.Random) -> str:
    """The config as YAML with its sections in another order, in another style."""
    keys = list(config)
    draw.shuffle(keys)
    style = draw.choice([None, False])
    text = yaml.safe_dump(
        {key: config[key] for key in keys},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=style,
        width=draw.choice([60, 10**6]),
    )
    return draw.choice(["", "# a comment\n", "---\n"]) + text


def data_trial(folder: Path) -> Trial:
    """A folder in TOFU's format with one mistake, often in another file format besides."""
    splits = ["forget10"]
    good = broken_tables.write_good(folder / "tofu")
    expected = build_tables(broken_tables.section(good), splits, {})
    broken = [case for case in broken_tables.CASES if case.refused is not None]
    harmless = [case for case in broken_tables.CASES if case.refused is None]

    def trial(draw: random.Random, trial_folder: Path) -> tuple[str, str, str]:
        case = draw.choice(broken if draw.random() < 0.6 else harmless)
        data_dir = broken_tables.write_good(trial_folder / "tofu")
        case.change(data_dir)
        section = broken_tables.section(data_dir, case.columns)

        def run():
            if problems := data_problems(section, splits, None):
                raise UserError("\n".join(problems))
            return build_tables(section, splits, {})

        causes = None if case.refused is None else [case.refused]
        return case.name, *outcome(run, lambda tables: tables == expected, causes)

    return trial


def model_trial(folder: Path) -> Trial:
    """A model folder with one mistake, or saved in another way."""
    good = broken_models.good_model(folder / "good")
    ids = torch.arange(2, 12)[None]

    def trial(draw: random.Random, trial_folder: Path) -> tuple[str, str, str]:
        broken = draw.choice(broken_models.BROKEN)
        changed = broken_models.changed(good, broken, trial_folder / "model")

        def run():
            if problems := judge(changed, broken_models.use(**broken.use)):
                raise UserError("\n".join(problems))
            return load_model(changed)

        def same(model) -> bool:
            """Whether the logits are those of the folder as transformers itself loads it."""
            # a config may ask for outputs without names
            plain = AutoModelForCausalLM.from_pretrained(changed, return_dict=True)
            return torch.equal(model(ids).logits, plain(ids).logits)

        causes = None if broken.says is None else [broken.says]
        return broken.name, *outcome(run, same, causes)

    return trial


def log_trial(folder: Path) -> Trial:
    """An evaluation log of one of three origins with a random mistake, or none."""
    path = folder / "log.json"
    expected = {}
    for origin, log in broken_logs.ORIGINS.items():
        path.write_text(json.dumps(log()), encoding="utf-8")
        expected[origin] = scores_of(path)

    def trial(draw: random.Random, trial_folder: Path) -> tuple[str, str, str]:
        broken = broken_logs.broken_log(draw)
        path.write_bytes(broken.text)
        causes = [(str(path),)] if broken.fatal else None
        name = f"{broken.origin}: {broken.name}"
        scored = expected[broken.origin]
        return name, *outcome(lambda: scores_of(path), lambda scores: scores == scored, causes)

    return trial


def scores_of(path: Path) -> dict:
    """What `score` prints of a log, without the metrics that it only passes on."""
    scores = score(read_log(path), None)
    return {key: value for key, value in scores.items() if key != "further"}


def search(seed: int, counts: dict[str, int]) -> tuple[dict[str, Counter], list[str]]:
    """Outcomes of each kind of input, and a line for each that is none of the two right ones."""
    outcomes: dict[str, Counter] = {}
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = {
            "configs": config_trial(),
            "data folders": data_trial(folder),
            "model folders": model_trial(folder),
            "logs": log_trial(folder),
        }
        for kind, count in counts.items():
            draw, outcomes[kind] = random.Random(f"{seed} {kind}"), Counter()
            for _ in range(count):
                trial_folder = folder / "trial"
                trial_folder.mkdir()
                label, result, message = trials[kind](draw, trial_folder)
                outcomes[kind][result] += 1
                if result not in (REFUSED, RIGHT):
                    wrong.append(f"{kind}, {result}: {label}: {message}")
                shutil.rmtree(trial_folder)
    return outcomes, wrong


def table(outcomes: dict[str, Counter]) -> str:
    """Markdown: a line for each kind of input."""
    lines = [f"| input | tried | {' | '.join(OUTCOMES)} |", "|---" * (len(OUTCOMES) + 2) + "|"]
    for kind, counted in outcomes.items():
        cells = [kind, counted.total(), *(counted[result] for result in OUTCOMES)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table and what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    outcomes, wrong = search(parser.parse_args().seed, COUNTS)
    print(table(outcomes))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
