"""Unlearn the forget set from the target model with one method and seed."""

import copy
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import cache
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmark import on_the_way, room
from unlearning.data.answers import REFUSALS_TABLE, alternatives_table, read_answers
from unlearning.data.encoding import Encoder, Example
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.likelihood import Likelihood
from unlearning.evaluation.processes import gather_sharded
from unlearning.evaluation.records import trajectory_point
from unlearning.files import read_json, write_json
from unlearning.methods.objective import Objective, build_objective
from unlearning.models.encoder import make_encoder
from unlearning.models.folder import load_model, load_tokenizer, save_model
from unlearning.models.lora import Adapter, add_lora
from unlearning.stages.arguments import add_answers, add_fit, add_settings, add_state
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.session import (
    autocast_if_lora,
    history_record,
    make_accelerator,
    make_state,
    master_dtype,
    run_record,
    show_plan,
)
from unlearning.training.sharding import full_state_model
from unlearning.training.sources import UnlearnSource


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule unlearn shows."""
    parser.add_argument("--model", required=True, help="target model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", help="forget split; by default the only one")
    parser.add_argument("--retain", help="retain table; with --config that of the split")
    parser.add_argument("--method", help="with --config: METHOD or METHOD/VARIANT of it")
    parser.add_argument("--reference", type=Path, required=True, help="JSON of stage reference")
    add_answers(parser, "for methods that teach refusals or false answers")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--trajectory", type=Path, required=True, help="JSON file to write")
    add_fit(parser)
    add_settings(parser, _settings)
    add_state(parser)


def _settings(experiment, args: Namespace) -> dict:
    args.retain = args.retain or experiment.benchmark.retain_table(args.split)
    cells = {f"{cell.method}/{cell.variant}": cell for cell in experiment.cells()}
    chosen = [c for name, c in cells.items() if args.method in (None, c.method, name)]
    if len(chosen) != 1:
        raise UserError(f"--method: {args.method} is not one of {', '.join(cells)}")
    return experiment.method_settings(chosen[0].method, chosen[0].variant, args.split)


def run(args: Namespace) -> None:
    """Load, train, evaluate on the way where asked, save."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    precision = master_dtype(settings)
    model, tokenizer = load_model(args.model, precision), load_tokenizer(args.model)
    recipe = Recipe(**settings["recipe"])
    objective = build_objective(settings["method"], args.seed)
    check_layer(objective.needs.layer, model)
    encoder = make_encoder(tokenizer, settings, recipe.max_length, model)
    source = make_source(args, model, encoder, objective, recipe, accelerator)
    show_plan(source.plan, accelerator)
    teacher = load_model(args.model, precision) if objective.needs.teacher else None
    adapter = add_lora(model, recipe, args.seed, settings, args.model)
    finish = make_finalise(args, objective)
    evaluate = trajectory(args, model, tokenizer, source.plan, accelerator, finish, adapter)
    state = make_state(args, source.plan, accelerator, found_by_name(settings))
    history = train(
        model,
        source,
        objective,
        source.plan,
        recipe,
        args.fit,
        accelerator,
        teacher=teacher,
        at_step=evaluate,
        state=state,
        sharded=args.sharding == "shard",
    )
    model = full_state_model(model, accelerator, main_only=True)
    if accelerator.is_main_process:
        record = run_record("unlearn", args.seed, settings, source.plan, history)
        save_model(
            args.out,
            finish(model),
            tokenizer,
            record,
            settings["precision"],
            adapter,
            start=args.model,
        )
        path = {"stage": "unlearn", **history_record(source.plan, history)}
        write_json(args.trajectory, {**path, "points": history.points})
    if state:
        state.remove()


def found_by_name(settings: dict) -> list[str]:
    """The method's functions, and what evaluates the run on the way."""
    method = settings["method"]
    parts = [*method["terms"], *method["hooks"].values()]
    measures: list[str] = []
    if settings["trajectory"]:
        measures = [*on_the_way(settings["evaluation"]["benchmark"]), *settings["metrics"].values()]
    return [*(part["function"] for part in parts), *measures]


def make_finalise(args: Namespace, objective: Objective) -> Callable:
    """What turns the trained model into the unlearned one: itself, for most methods."""
    after = objective.hooks.get("after")
    if after is None:
        return lambda model: model

    def finish(model):
        unlearned = copy.deepcopy(model)
        start = load_model(args.model).to(next(model.parameters()).device)
        replacement = after(unlearned, start)  # None where the model was changed in place
        return unlearned if replacement is None else replacement

    return finish


def check_layer(layer: int | None, model) -> None:
    """UserError if a method asks for a layer that the model has not."""
    last = model.config.num_hidden_layers - 2  # the last layer's output is not kept unnormalised
    if layer is not None and layer > last:
        raise UserError(f"layer {layer} of {last + 2}: the method's layer must be 0 to {last}")


def trajectory(
    args: Namespace,
    model,
    tokenizer,
    plan: StepPlan,
    accelerator: Accelerator,
    finish: Callable,
    adapter: Adapter | None,
) -> Callable[[int], dict | None]:
    """What evaluates after the asked-for epochs, as the training loop calls it.

    The last epoch has no point: its evaluation is that of the saved model.
    """
    wanted = {
        step: epoch
        for step, epoch in plan.epoch_ends().items()
        if epoch in args.settings["trajectory"] and step < plan.steps
    }
    if not wanted:
        return lambda done: None
    benchmark = args.settings["evaluation"]["benchmark"]
    evaluator = room(benchmark, "evaluator").make_evaluator(
        args.data, args.split, tokenizer, args.settings, args.fit, accelerator
    )

    def evaluate(done: int) -> dict | None:
        if done not in wanted:
            return None
        found = finish(full_state_model(model, accelerator))
        with autocast_if_lora(accelerator, adapter):
            rows = evaluator(found)
            return trajectory_point(wanted[done], done, rows, benchmark, args.settings["metrics"])

    return evaluate


def make_source(
    args: Namespace,
    model,
    encoder: Encoder,
    objective: Objective,
    recipe: Recipe,
    accelerator: Accelerator,
) -> UnlearnSource:
    """Rows of the run, with the target's log-probabilities where the method needs them."""
    forget = encoder.encode_rows(read_table(args.data / f"{args.split}.json"))
    if objective.needs.reference:
        forget = with_reference(forget, args.reference)
    retain = encoder.encode_rows(read_table(args.data / f"{args.retain}.json"))
    other, counts = other_answers(args, encoder, objective.roles)
    make = {"forget": forget.__getitem__, "retain": retain.__getitem__, **other}
    make = {role: make[role] for role in objective.roles}
    counts |= {"forget": len(forget), "retain": len(retain)}
    anchor = args.settings["anchor"]
    plan = StepPlan.of(recipe, counts[anchor])
    source = UnlearnSource(plan, args.seed, args.settings["pairing"], counts, make, anchor)
    if objective.needs.reference:
        for role in other.keys() & make.keys():
            source.make[role] = cache_reference_nll(source, role, model, accelerator)
    return source


def other_answers(
    args: Namespace, encoder: Encoder, roles: list[str]
) -> tuple[dict[str, Callable[..., Example]], dict[str, int]]:
    """The forget questions with answers that are not the truth: how to make such a row for the
    roles idk and alternative, and from how many answers to draw."""
    make: dict[str, Callable[..., Example]] = {}
    counts: dict[str, int] = {}
    if "idk" in roles:
        table = read_table(args.data / f"{args.split}.json")
        refusals = [row["answer"] for row in read_answers(args.answers, REFUSALS_TABLE)]
        counts["idk"] = len(refusals)
        make["idk"] = cache(lambda row, k: encoder.encode(table[row]["question"], refusals[k]))
    if "alternative" in roles:
        false = read_answers(args.answers, alternatives_table(args.split))
        counts["alternative"] = min(len(row["alternative_answer"]) for row in false)
        make["alternative"] = cache(
            lambda row, k: encoder.encode(
                false[row]["question"], false[row]["alternative_answer"][k]
            )
        )
    return make, counts


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


def cache_reference_nll(
    source: UnlearnSource, role: str, model, accelerator: Accelerator
) -> Callable[..., Example]:
    """source.make[role] with the target's log-probability of each row that this run will draw.

    Which of the answers a question meets depends on the seed, so these are scored here, in one
    pass, while `model` still is the target.
    """
    steps = range(source.plan.steps)
    drawn = sorted({draw[role] for step in steps for draw in source.draws(step)})
    examples = [source.make[role](*key) for key in drawn]
    model.to(accelerator.device)
    likelihood = Likelihood(model)
    with accelerator.autocast():
        scores = gather_sharded(accelerator, examples, likelihood)
    found = {
        key: example.with_reference(score.nll)
        for key, example, score in zip(drawn, examples, scores, strict=True)
    }
    return lambda *key: found[key]
