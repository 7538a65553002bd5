"""The training loop: micro-batches change nothing, and a collapse is a result."""

import copy
import math

import pytest
import torch
from accelerate import Accelerator
from families import family_model
from toy import ARCHITECTURE, WORDS, toy
from unlearning.data.encoding import Encoder, Example
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.evaluation.likelihood import Likelihood
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.patterns import llama_names
from unlearning.methods.registry import FORGET_LOSSES, resolve
from unlearning.models.build import build_model
from unlearning.training import fit, loop
from unlearning.training.batches import score_pairs as score
from unlearning.training.learning import LEARN
from unlearning.training.loop import micro_batches, train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sources import LearnSource, UnlearnSource

ROWS = [{"question": "who wrote this book?", "answer": " ".join(WORDS[5:n])} for n in range(6, 13)]
NORMS = {
    f"model.layers.{k}.{name}.weight"
    for k in (0, 1)
    for name in ("input_layernorm", "post_attention_layernorm")
}
ROLES = ("forget", "idk", "alternative", "retain")
RECIPE = {"epochs": 4, "batch_size": 7, "lr": 1e-2, "warmup_epochs": 0, "schedule": "linear"}
RECIPE |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64}


def run(model, tokenizer, objective=LEARN, teacher=None, micro_batch=7, **changes):
    recipe = Recipe(**{**RECIPE, **changes})
    source = source_of(tokenizer, objective, recipe)
    fit, accelerator = Fit(micro_batch), Accelerator(cpu=True)
    return train(model, source, objective, source.plan, recipe, fit, accelerator, teacher=teacher)


def source_of(tokenizer, objective, recipe):
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    plan = StepPlan.of(recipe, len(rows))
    if objective.roles == ["train"]:
        return LearnSource(plan, 0, rows, [], 0)
    scored = [row.with_reference(10.0 + k) for k, row in enumerate(rows)]
    make = {role: lambda row, other=0: scored[(row + other) % len(rows)] for role in ROLES}
    make = {role: make[role] for role in objective.roles}
    return UnlearnSource(plan, 0, "fresh", {role: len(rows) for role in ROLES}, make)


def deep():
    """A model with layers below its last, in double precision: Adam turns rounding noise of tiny
    gradients into whole steps."""
    _, tokenizer = toy()
    return build_model({**ARCHITECTURE, "layers": 3}, len(tokenizer), 0).double(), tokenizer


def every_method():
    composed = [name if "+" in name else f"{name}+RT" for name in FORGET_LOSSES]
    return [*composed, "GA", "NPO+KL", "NPO+KL-answer", "RMU+ACT"]


@pytest.mark.parametrize(("method", "taught"), [("NPO+RT", 0), ("SimNPO+RT", 0), ("NPO+KL", 1)])
def test_one_pass_for_all_rows_of_a_micro_batch(method, taught):
    """The reference's log-probabilities are known before; only KL asks the target on the way."""
    (model, tokenizer), (teacher, _) = toy(), toy(1)
    passes = {model: 0, teacher: 0}
    for each in passes:

        def count(*_, own=each):
            passes[own] += (
                own is teacher or torch.is_grad_enabled()
            )  # not where layouts are compared

        each.model.layers[0].register_forward_pre_hook(count)
    objective = build_objective(resolve(method, {}).settings())
    run(model, tokenizer, objective, teacher if taught else None, micro_batch=3, epochs=2)
    steps = 2  # of 7 rows each, in 3 micro-batches
    assert passes == {model: 3 * steps, teacher: taught * 3 * steps}


@pytest.mark.parametrize("method", every_method())
def test_the_micro_batch_never_changes_the_result(method):
    model, tokenizer = deep()
    start = copy.deepcopy(model)
    hyper = {"layer": 1} if "RMU" in method else {}
    hyper |= {"dual_warmup_epochs": 1} if "PDU" in method else {}
    # the toy's forget and retain rows are the same: gradients must not cancel out to rounding
    hyper |= {"retain_coeff": 0.5} if method == "GA+RT" else {}
    settings = resolve(method, hyper).settings()
    teacher = copy.deepcopy(start)
    whole = run(model, tokenizer, build_objective(settings), teacher, epochs=2)
    both = zip(model.parameters(), start.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in both)
    for micro_batch in (1, 3):
        other, objective = copy.deepcopy(start), build_objective(settings)
        parts = run(other, tokenizer, objective, teacher, micro_batch, epochs=2)
        assert parts.losses == pytest.approx(whole.losses, rel=1e-6, abs=1e-6)
        pairs = zip(model.parameters(), other.parameters(), strict=True)
        apart = torch.cat([((a - b).abs() / b.abs().max()).flatten() for a, b in pairs])
        # norms and rotary angles are float32 even here; where a gradient is zero but for their
        # rounding, Adam makes whole steps of it
        assert apart.quantile(0.99) < 1e-6


def test_a_micro_batch_from_memory(monkeypatch):
    """One pass where there is room; where there is none, one pair at a time."""
    passes = []
    monkeypatch.setattr(loop, "score_pairs", lambda *a: passes.append(len(a[1])) or score(*a))
    weights = []
    for free, sizes in ((1e12, [7]), (0, [1] * 7)):
        monkeypatch.setattr(fit, "room_of", lambda device, free=free: free)
        model, tokenizer = deep()
        run(model, tokenizer, build_objective(resolve("NPO+RT", {}).settings()), micro_batch=None)
        assert passes == sizes * 4
        passes.clear()
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(*weights, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["GPT-2", "MPT", "Mamba", "Mixtral"])
def test_a_micro_batch_from_memory_of_any_family(family):
    """Their configs have other keys than Llama's."""
    _, tokenizer = toy()
    model = family_model(family, vocab_size=len(tokenizer))
    assert len(run(model, tokenizer, micro_batch=None, epochs=1).losses) == 1


def test_a_cpu_takes_no_more_tokens_at_once_than_speed_it_up():
    """1,024 tokens: pairs of 100 + 60 and of 40 + 56 tokens, of 128 on average, are 8 at once."""
    model, _ = deep()
    objective = build_objective(resolve("NPO+RT", {}).settings())
    lengths = [(100, 60), (40, 56)]
    pairs = []
    for forget, retain in lengths * 16:
        rows = {"forget": Example((1,) * forget, 5), "retain": Example((1,) * retain, 5)}
        pairs.append(rows)
    size = fit.micro_batch_sizer(model, objective, Recipe(**RECIPE), Fit(), Accelerator(cpu=True))
    assert size(pairs) == 8
    long = {"forget": Example((1,) * 600, 5), "retain": Example((1,) * 600, 5)}
    assert size([long] * 4) == 1


def test_a_run_that_cannot_fit_is_refused_before_its_first_step(monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0.01")  # MB
    model, tokenizer = deep()
    start = copy.deepcopy(model)
    with pytest.raises(UserError, match=r"needs about 0.0 GiB .* `make plan` names the settings"):
        run(model, tokenizer, micro_batch=None)
    both = zip(model.parameters(), start.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


def test_the_retain_weight_of_pdu_rises_while_the_retain_loss_is_high():
    model, tokenizer = deep()
    hyper = {"dual_warmup_epochs": 2, "retain_loss_eps": 0.0, "dual_step_size": 1.0}
    history = run(model, tokenizer, build_objective(resolve("PDU+RT", hyper).settings()))
    weights = [retain for _, retain in history.weights]
    assert weights[:2] == [100.0, 100.0]  # one step an epoch; the rule starts after the second
    assert weights[3] == pytest.approx(weights[2] + history.terms[2][1])
    for loss, terms, own in zip(history.losses, history.terms, history.weights, strict=True):
        assert loss == pytest.approx(own[0] * terms[0] + own[1] * terms[1], rel=1e-5)


@pytest.mark.parametrize("micro_batch", [1, 7])
def test_upon_epochs_the_weight_of_pdu_follows_the_epochs_retain_loss(micro_batch):
    """The mean over the epoch's retain rows under the model that the epoch ends with."""
    model, tokenizer = deep()
    hyper = {"dual_warmup_epochs": 1, "retain_loss_eps": 0.25, "dual_step_size": 2.0}
    settings = resolve("PDU+RT", {**hyper, "dual_update_upon": "epoch"}).settings()
    objective = build_objective(settings)
    source = source_of(tokenizer, objective, Recipe(**{**RECIPE, "batch_size": 4}))
    steps = iter([range(2), range(2, 4), range(4, 6)])  # 7 rows; the last epoch moves no weight
    losses, rule = [], objective.hooks["multiplier"]

    def recorded(weight, loss, epoch):
        rows = [pair["retain"] for step in next(steps) for pair in source.step(step)]
        scores = Likelihood(model)(rows)
        expected = sum(s.nll / (len(r.ids) - r.start) for s, r in zip(scores, rows, strict=True))
        assert loss == pytest.approx(expected / len(rows), rel=1e-5)
        model.train()
        losses.append(loss)
        return rule(weight, loss, epoch)

    objective.hooks["multiplier"] = recorded
    history = run(model, tokenizer, objective, micro_batch=micro_batch, batch_size=4)
    weights = [retain for _, retain in history.weights]
    moved = [100.0]
    for loss in losses:
        moved.append(moved[-1] + 2.0 * (loss - 0.25))
    assert weights == pytest.approx([step for weight in moved for step in [weight] * 2][:7])


@pytest.mark.parametrize(
    ("hyper", "expected"),
    [
        ({}, {f"model.layers.{k}.mlp.down_proj.weight" for k in (0, 1)}),
        ({"trained": r".*layers\.{layers}\..*norm\.weight"}, NORMS),
        ({"trained": "model.norm.weight|.*embed.*", "layer": 0}, {"model.embed_tokens.weight"}),
    ],
)
def test_rmu_moves_nothing_but_its_own_parameters(hyper, expected):
    """The last norm comes after the layer whose activations are steered."""
    model, tokenizer = deep()
    start = {name: p.clone() for name, p in model.named_parameters()}
    settings = resolve("RMU+ACT", {"layer": 1, **hyper}).settings()
    run(model, tokenizer, build_objective(settings), teacher=copy.deepcopy(model))
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, start[name])}
    assert moved == expected


def test_open_unlearnings_rmu_trains_every_parameter_and_a_pattern_without_match_is_refused():
    model, _ = deep()
    objective = build_objective(resolve("RMU+ACT", {"layer": 1, "trained": ".*"}).settings())
    assert len(objective.trained(model)) == len(list(model.parameters()))
    assert llama_names(3) == [name for name, _ in model.named_parameters()]
    wrong = build_objective(resolve("RMU+ACT", {"layer": 1, "trained": "h.0.*"}).settings())
    with pytest.raises(UserError, match="trained: 'h.0.*' matches no parameter .*model.layers.2"):
        wrong.trained(model)


def test_learning_lowers_the_loss_and_ascent_raises_it():
    model, tokenizer = toy()
    learnt = run(model, tokenizer, epochs=40, lr=3e-2)
    assert learnt.losses[-1] < 0.5 * learnt.losses[0]
    ascent = build_objective(resolve("GA", {}).settings())
    unlearnt = run(model, tokenizer, ascent, epochs=20)
    assert unlearnt.losses[-1] < unlearnt.losses[0] - 1  # the objective is the negated loss


def test_a_loss_that_is_no_number_ends_the_run_with_finite_weights():
    model, tokenizer = toy()
    steps = []

    def breaks(batch):
        steps.append(1)
        scale = math.nan if len(steps) > 5 else 1.0  # three calls more check the loss at the start
        return batch.token_mean(batch.train) * scale

    history = run(model, tokenizer, Objective([breaks], [1.0], ["train"]))
    assert history.collapsed["step"] == 2
    assert "nan" in history.collapsed["reason"]
    assert len(history.losses) == 3
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("micro_batch", [1, 7])
def test_a_loss_of_the_wrong_shape_stops_before_any_weight_moves(micro_batch):
    model, tokenizer = toy()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    scalar = Objective([lambda batch: batch.token_mean(batch.train).mean()], [1.0], ["train"])
    with pytest.raises(UserError, match=r"returned shape \(\) for a batch of B = 2 rows, must be"):
        run(model, tokenizer, scalar, micro_batch=micro_batch)
    pairs = zip(before, model.parameters(), strict=True)
    assert all(torch.equal(old, parameter) for old, parameter in pairs)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_processes_share_a_batch_without_loss_and_make_equal_passes(world, size):
    _, tokenizer = toy()
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    pairs = [{"train": row} for row in rows]
    parts = [list(micro_batches(pairs, rank, world, size)) for rank in range(world)]
    counted = [pair["train"] for part in parts for chunk, n in part if n for pair in chunk]
    assert sorted(e.ids for e in counted) == sorted(e.ids for e in rows)
    assert len({len(part) for part in parts}) == 1
