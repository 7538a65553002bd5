"""Unlearn the forget set from the target model with one method and seed."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator

from unlearning.data.encoding import Encoder, Example
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.likelihood import Likelihood
from unlearning.evaluation.records import trajectory_point
from unlearning.files import read_json, write_json
from unlearning.methods.objective import Objective, build_objective
from unlearning.models.folder import load_model, load_tokenizer, save_model
from unlearning.stages.arguments import add_settings
from unlearning.stages.common import (
    history_record,
    make_accelerator,
    make_encoder,
    run_record,
    show_plan,
)
from unlearning.stages.evaluating import make_evaluator
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sources import UnlearnSource


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule unlearn shows."""
    parser.add_argument("--model", required=True, help="target model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", required=True, help="forget split")
    parser.add_argument("--retain", required=True, help="retain table")
    parser.add_argument("--reference", type=Path, required=True, help="JSON of stage reference")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--trajectory", type=Path, required=True, help="JSON file to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """Load, train, evaluate on the way where asked, save."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    model, tokenizer = load_model(args.model), load_tokenizer(args.model)
    recipe = Recipe(**settings["recipe"])
    objective = build_objective(settings["method"])
    encoder = make_encoder(tokenizer, settings, recipe.max_length)
    source = make_source(args, model, encoder, objective, recipe, accelerator)
    show_plan(source.plan, accelerator)
    reference = load_model(args.model) if "retain_logits" in objective.needs else None
    points, evaluate = trajectory(args, model, tokenizer, source.plan, accelerator)

    history = train(
        model,
        source,
        objective,
        source.plan,
        recipe,
        accelerator,
        reference=reference,
        at_step=evaluate,
    )
    if accelerator.is_main_process:
        record = run_record("unlearn", args.seed, settings, source.plan, history)
        save_model(args.out, model, tokenizer, record, settings["precision"])
        history = history_record(source.plan, history)
        write_json(args.trajectory, {"stage": "unlearn", **history, "points": points})


def trajectory(
    args: Namespace, model, tokenizer, plan: StepPlan, accelerator: Accelerator
) -> tuple[list[dict], Callable[[int], None]]:
    """The points of the asked-for epochs, and the callback that fills them during training.

    The last epoch has no point: its evaluation is that of the saved model.
    """
    points: list[dict] = []
    wanted = {
        step: epoch
        for step, epoch in plan.epoch_ends().items()
        if epoch in args.settings["trajectory"] and step < plan.steps
    }
    if not wanted:
        return points, lambda done: None
    evaluator = make_evaluator(args.data, args.split, tokenizer, args.settings, accelerator)

    def evaluate(done: int) -> None:
        if done in wanted:
            points.append(trajectory_point(wanted[done], done, evaluator(model)))

    return points, evaluate


def make_source(
    args: Namespace,
    model,
    encoder: Encoder,
    objective: Objective,
    recipe: Recipe,
    accelerator: Accelerator,
) -> UnlearnSource:
    """Rows of the run, with the target's log-probabilities where the method needs them."""
    table = read_table(args.data / f"{args.split}.json")
    forget = encoder.encode_rows(table)
    retain = encoder.encode_rows(read_table(args.data / f"{args.retain}.json"))
    idks = read_table(args.data / "idontknow.json") if "idk" in objective.roles else []
    answers = [row["answer"] for row in idks]
    needs_reference = "reference" in objective.needs
    if needs_reference:
        forget = with_reference(forget, args.reference)

    def idk(row: int, answer: int) -> Example:
        return encoder.encode(table[row]["question"], answers[answer])

    plan = StepPlan.of(recipe, len(forget))
    pairing = args.settings["pairing"]
    source = UnlearnSource(
        plan, args.seed, pairing, objective.roles, forget, retain, idk, len(answers)
    )
    if needs_reference and "idk" in objective.roles:
        source.idk = scored_idk(source, idk, model, accelerator)
    return source


def with_reference(forget: list[Example], path: Path) -> list[Example]:
    """The forget rows with their NLL under the target; UserError if the file holds other rows."""
    record = read_json(path)
    tokens = [len(example.ids) - example.start for example in forget]
    if record["tokens"] != tokens:
        raise UserError(
            f"{path} holds log-probabilities of other rows ({len(record['tokens'])} rows; the "
            f"forget split has {len(forget)}): delete it and run again"
        )
    return [e.with_reference(nll) for e, nll in zip(forget, record["nll"], strict=True)]


def scored_idk(source: UnlearnSource, idk, model, accelerator: Accelerator):
    """idk() with the target's log-probability of each row that this run will draw.

    Which of the answers a question meets depends on the seed, so these are scored here, in one
    pass, while `model` still is the target.
    """
    draws = [draw for step in range(source.plan.steps) for draw in source.draws(step)]
    drawn = sorted({(row, answer) for row, _, answer in draws})
    examples = [idk(row, answer) for row, answer in drawn]
    model.to(accelerator.device)
    likelihood = Likelihood(model, accelerator.device)
    with accelerator.autocast():
        scores = likelihood(examples)
    scored = {
        key: example.with_reference(score.nll)
        for key, example, score in zip(drawn, examples, scores, strict=True)
    }
    return lambda row, answer: scored[row, answer]
