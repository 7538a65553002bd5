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
from unlearning.stages.arguments import add_answers, add_fit, add_settings, add_state, seed_number
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.session import (
    autocast_if_lora,
    encode_table,
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
    parser.add_argument("--model", required=True, help="target model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", help="forget split; by default the only one")
    parser.add_argument("--retain", help="retain table; with --config that of the split")
    parser.add_argument("--method", help="with --config: METHOD or METHOD/VARIANT of it")
    parser.add_argument("--reference", type=Path, required=True, help="JSON of stage reference")
    add_answers(parser, "for methods that teach refusals or false answers")
    parser.add_argument("--seed", type=seed_number, required=True)
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--trajectory", type=Path, required=True, help="JSON file to write")
    add_fit(parser)
    add_settings(parser, _settings)
    add_state(parser)


def _settings(experiment, args: Namespace) -> dict:
    args.retain = args.retain or experiment.benchmark.retain_table(args.split)
    # of cells that differ in split and seed alone one stands for all: they share the settings
    cells = {f"{cell.method}/{cell.variant}": cell for cell in experiment.cells()}
    matches = [c for name, c in cells.items() if args.method in (None, c.method, name)]
    if len(matches) != 1:
        raise UserError(f"--method: {args.method} is not one of {', '.join(cells)}")
    return experiment.method_settings(matches[0].method, matches[0].variant, args.split)


def run(args: Namespace) -> None:
    """Load the target model, train, evaluate after the requested epochs, save."""
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
    # a second copy of the target, because training changes the first
    teacher = load_model(args.model, precision) if objective.needs.teacher else None
    adapter = add_lora(model, recipe, args.seed, settings, args.model)
    # the model that trains is not yet the unlearned one with WHP and TaskVector
    finalise = make_finalise(args, objective, precision)
    evaluate = make_evaluate(args, model, tokenizer, source.plan, accelerator, finalise, adapter)
    state = make_state(args, source.plan, accelerator, named_functions(settings))
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
        saved, dtype = finalise(model), settings["precision"]
        save_model(args.out, saved, tokenizer, record, dtype, adapter, start=args.model)
        # beside the model, whose folder is removed after its evaluation: the report reads this file
        record = {"stage": "unlearn", **history_record(source.plan, history)}
        write_json(args.trajectory, {**record, "points": history.points})
    if state:  # not before the outputs are complete
        state.remove()


def named_functions(settings: dict) -> list[str]:
    """Functions that the run finds by name: the method's, and those that evaluate on the way."""
    method = settings["method"]
    functions = [part["function"] for part in (*method["terms"], *method["hooks"].values())]
    if settings["trajectory"]:
        functions += on_the_way(settings["evaluation"]["benchmark"])
        functions += settings["metrics"].values()
    return functions


def make_finalise(args: Namespace, objective: Objective, precision: str) -> Callable:
    """A function from the trained model to the unlearned one; most methods return it unchanged.

    precision: of the trained model's weights, and so of the target's that it is joined with.
    """
    after = objective.hooks.get("after")
    if after is None:
        return lambda model: model

    def finalise(model):
        # on a copy, because training may go on after an evaluation
        unlearned = copy.deepcopy(model)
        start = load_model(args.model, precision).to(next(model.parameters()).device)
        replacement = after(unlearned, start)  # None if the model was changed in place
        return unlearned if replacement is None else replacement

    return finalise


def check_layer(layer: int | None, model) -> None:
    """UserError if a method needs a layer that the model does not have."""
    # transformers gives the last layer's output only after the final normalisation
    last = model.config.get_text_config().num_hidden_layers - 2
    if layer is not None and layer > last:
        raise UserError(f"layer {layer} of {last + 2}: the method's layer must be 0 to {last}")


def make_evaluate(
    args: Namespace,
    model,
    tokenizer,
    plan: StepPlan,
    accelerator: Accelerator,
    finalise: Callable,
    adapter: Adapter | None,
) -> Callable[[int], dict | None]:
    """A function that the training loop calls at each step: a trajectory's point, or None.

    The last epoch has no point, because the saved model is evaluated by itself.
    """
    epochs = {}  # step -> epoch that it ends
    for step, epoch in plan.epoch_ends().items():
        if epoch in args.settings["trajectory"] and step < plan.steps:
            epochs[step] = epoch
    if not epochs:
        return lambda step: None
    benchmark = args.settings["evaluation"]["benchmark"]
    evaluator = room(benchmark, "evaluator").make_evaluator(
        args.data, args.split, tokenizer, args.settings, args.fit, accelerator
    )

    def evaluate(step: int) -> dict | None:
        if step not in epochs:
            return None
        # by all processes, for each holds a share; each then scores a share of the rows
        unlearned = finalise(full_state_model(model, accelerator))
        with autocast_if_lora(accelerator, adapter):
            rows = evaluator(unlearned)
            return trajectory_point(epochs[step], step, rows, benchmark, args.settings["metrics"])

    return evaluate


def make_source(
    args: Namespace,
    model,
    encoder: Encoder,
    objective: Objective,
    recipe: Recipe,
    accelerator: Accelerator,
) -> UnlearnSource:
    """The rows of the run, with reference log-probabilities if the method needs them."""
    forget = encode_table(encoder, args.data / f"{args.split}.json", accelerator)
    if objective.needs.reference:
        forget = with_reference(forget, args.reference)
    retain = encode_table(encoder, args.data / f"{args.retain}.json", accelerator)
    answers, counts = other_answers(args, encoder, objective.roles)
    all_roles: dict[str, Callable[..., Example]] = {
        "forget": forget.__getitem__,
        "retain": retain.__getitem__,
        **answers,
    }
    # rows of a role that the loss has no term for would cost a pass
    make = {role: all_roles[role] for role in objective.roles}
    counts |= {"forget": len(forget), "retain": len(retain)}
    anchor = args.settings["anchor"]
    plan = StepPlan.of(recipe, counts[anchor])
    source = UnlearnSource(plan, args.seed, args.settings["pairing"], counts, make, anchor)
    # the forget rows' scores are in a file that all runs share; other answers are of this run alone
    if objective.needs.reference:
        for role in answers.keys() & make.keys():
            source.make[role] = cache_reference_nll(source, role, model, accelerator)
    return source


def other_answers(
    args: Namespace, encoder: Encoder, roles: list[str]
) -> tuple[dict[str, Callable[..., Example]], dict[str, int]]:
    """Role (idk, alternative) -> function from row and answer number to an example, which is the
    forget question with a refusal or a false answer; and role -> number of answers."""
    make: dict[str, Callable[..., Example]] = {}
    counts: dict[str, int] = {}
    # @cache: a row is drawn again in each epoch, and is tokenized once
    if "idk" in roles:
        table = read_table(args.data / f"{args.split}.json")
        refusals = [row["answer"] for row in read_answers(args.answers, REFUSALS_TABLE)]
        counts["idk"] = len(refusals)
        make["idk"] = cache(lambda row, k: encoder.encode(table[row]["question"], refusals[k]))
    if "alternative" in roles:
        questions = read_answers(args.answers, alternatives_table(args.split))
        # a draw's answer number must be one of every question
        counts["alternative"] = min(len(row["alternative_answer"]) for row in questions)

        @cache
        def make_alternative(row: int, k: int) -> Example:
            question = questions[row]
            return encoder.encode(question["question"], question["alternative_answer"][k])

        make["alternative"] = make_alternative
    return make, counts


def with_reference(forget: list[Example], path: Path) -> list[Example]:
    """The forget rows with their NLL under the reference; UserError if the file has other rows."""
    record = read_json(path)
    # as many labels in each row: of another tokenizer, prompt or split the numbers would differ
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
    """source.make[role] with the target's log-probabilities of the rows that this run will draw.

    The seed decides which answer a question is paired with, so these rows are scored here, in one
    pass, before training changes `model`.
    """
    keys: set[tuple[int, ...]] = set()
    for step in range(source.plan.steps):
        keys.update(draw[role] for draw in source.draws(step))
    examples = {key: source.make[role](*key) for key in sorted(keys)}
    model.to(accelerator.device)
    likelihood = Likelihood(model)
    with accelerator.autocast():
        scores = gather_sharded(accelerator, list(examples.values()), likelihood)
    scored = {}
    for (key, example), score in zip(examples.items(), scores, strict=True):
        scored[key] = example.with_reference(score.nll)
    return lambda *key: scored[key]
