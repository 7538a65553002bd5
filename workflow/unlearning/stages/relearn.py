"""Attack an unlearned model by relearning: fine-tune it on a part of the forget set.

As in the SimNPO paper (arXiv 2410.07163) §6: about 20% of the forget set, random rows or those with
the shortest answers, and forget quality after each epoch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmark import on_the_way, room
from unlearning.data.encoding import Example
from unlearning.errors import UserError
from unlearning.evaluation.records import trajectory_point
from unlearning.files import write_json
from unlearning.models.encoder import make_encoder
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.models.lora import add_lora
from unlearning.stages.arguments import add_fit, add_settings, add_state, seed_number
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan, generator
from unlearning.training.session import (
    autocast_if_lora,
    encode_table,
    history_record,
    make_accelerator,
    make_state,
    master_dtype,
    show_plan,
)
from unlearning.training.sharding import full_state_model
from unlearning.training.sources import LearnSource


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="unlearned model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", help="forget split; by default the only one")
    parser.add_argument("--attack", choices=["random", "shortest"], required=True)
    parser.add_argument("--seed", type=seed_number, required=True)
    parser.add_argument("--out", type=Path, required=True, help="trajectory JSON to write")
    add_fit(parser)
    add_settings(parser, _settings)
    add_state(parser)


def attacker_rows(rows: list[Example], attack: str, fraction: float, seed: int) -> list[Example]:
    """The rows that the attacker trains on: at least one."""
    # of a small forget set a fraction may round to nothing, and an attack needs a row
    count = max(1, round(fraction * len(rows)))
    if attack == "shortest":
        return sorted(rows, key=lambda row: len(row.ids) - row.start)[:count]
    indices = generator(seed, "attack").choice(len(rows), size=count, replace=False)
    # in the table's order: which rows are drawn is the attack, their order the training's seed
    return [rows[i] for i in sorted(indices)]


def _settings(experiment, args: Namespace) -> dict:
    # random, or random/fraction=0.1 and others where the config has several fractions
    attacks = [name for name in experiment.fractions if name.partition("/")[0] == args.attack]
    if len(attacks) != 1:
        names = ", ".join(experiment.fractions)
        raise UserError(
            f"--attack {args.attack}: the config has {len(attacks)} such attacks ({names}). State "
            f"one by --config FILE 'relearn={{attacks: [{args.attack}], fraction: 0.2}}'"
        )
    return experiment.relearn_settings(attacks[0])


def run(args: Namespace) -> None:
    """Evaluate the model, train it, evaluate it after each epoch; the weights are not saved."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    model = load_model(args.model, master_dtype(settings))
    tokenizer = load_tokenizer(args.model)
    recipe = Recipe(**settings["recipe"])
    adapter = add_lora(model, recipe, args.seed, settings, args.model)
    encoder = make_encoder(tokenizer, settings, recipe.max_length, model)
    forget = encode_table(encoder, args.data / f"{args.split}.json", accelerator)
    rows = attacker_rows(forget, args.attack, settings["fraction"], args.seed)
    plan = StepPlan.of(recipe, len(rows))
    show_plan(plan, accelerator)
    benchmark = settings["evaluation"]["benchmark"]
    evaluator = room(benchmark, "evaluator").make_evaluator(
        args.data, args.split, tokenizer, settings, args.fit, accelerator, sets=["forget"]
    )
    epochs = {0: 0, **plan.epoch_ends()}  # step -> epochs by then

    def evaluate(step: int) -> dict | None:
        if step not in epochs:
            return None
        full_model = full_state_model(model, accelerator)  # by all processes together
        with autocast_if_lora(accelerator, adapter):
            # the attack is judged by forget quality, which needs no generated answers
            rows = evaluator(full_model, generate=False)
            return trajectory_point(epochs[step], step, rows, benchmark)

    source = LearnSource(plan, args.seed, rows, [], 0)
    state = make_state(args, plan, accelerator, on_the_way(benchmark))
    history = train(
        model,
        source,
        LEARN,
        plan,
        recipe,
        args.fit,
        accelerator,
        at_step=evaluate,
        state=state,
        sharded=args.sharding == "shard",
    )
    if accelerator.is_main_process:
        record = {"stage": "relearn", "rows": len(rows), **history_record(plan, history)}
        write_json(args.out, {**record, "points": history.points})
    if state:
        state.remove()
