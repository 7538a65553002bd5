"""The newer losses, by hand: tensors of two or three numbers."""

import math

import pytest
import torch
from unlearning.data.encoding import IGNORED
from unlearning.methods.ascent import satimp, wga
from unlearning.methods.distillation import ce_u, undial
from unlearning.methods.pdu import dual_variable, flatten_margin
from unlearning.methods.preference import altpo, dpo, npo_token_mean, simnpo, simnpo_as_printed
from unlearning.methods.registry import DOWN_PROJECTIONS
from unlearning.methods.retain import retain_divergence
from unlearning.methods.rmu import keep_activations, steer, trained_parameters
from unlearning.methods.sequences import Batch, Sequences, View
from unlearning.methods.task_vector import negate

HALF, QUARTER = math.log(0.5), math.log(0.25)


def sequences(logp, row, **more):
    rows = torch.tensor(row)
    return Sequences(torch.tensor(logp, requires_grad=True), rows, int(rows[-1]) + 1, **more)


def view(values, row, labels=None, teacher=None):
    labels = torch.tensor(labels if labels is not None else [IGNORED] * len(row))
    teacher = None if teacher is None else torch.tensor(teacher)
    return View(torch.tensor(row), torch.tensor(values, requires_grad=True), labels, teacher)


def test_wga_and_satimp_weigh_each_token_without_gradient():
    forget = sequences([HALF, QUARTER, HALF], [0, 0, 1])
    loss = wga(Batch(forget=forget), beta=1.0)
    assert loss.tolist() == pytest.approx([(0.5 * HALF + 0.25 * QUARTER) / 2, 0.5 * HALF])
    loss.sum().backward()
    assert forget.logp.grad.tolist() == pytest.approx([0.25, 0.125, 0.5])  # weight / tokens
    loss = satimp(Batch(forget=forget), beta1=2.0, beta2=1.0)
    assert loss[0].item() == pytest.approx((0.125 * HALF + 0.0625 * 0.75 * QUARTER) / 2)


def test_undial_lowers_the_true_tokens_logit_in_the_teacher():
    # the teacher is sure of token 0 by ln 4; lowered by ln 4 it is even over both
    logits = view([[0.0, 0.0]], [0], labels=[0], teacher=[[math.log(4), 0.0]])
    forget = sequences([HALF], [0], logits=logits)
    loss = undial(Batch(forget=forget), beta=math.log(4))
    assert loss.item() == pytest.approx(math.log(2))
    loss.sum().backward()
    assert logits.values.grad.abs().max() < 1e-7  # equal to its target
    unlowered = undial(Batch(forget=forget), beta=1e-6)
    unlowered.sum().backward()
    assert logits.values.grad[0, 0] < -0.2


def test_ce_u_teaches_the_rest_and_leaves_out_the_first_token():
    values = [[5.0, 0.0, 0.0], [math.log(2), 0.0, 0.0]]
    forget = sequences([-1.0, -1.0], [0, 0], logits=view(values, [0, 0], labels=[0, 0]))
    # second token: softmax (1/2, 1/4, 1/4); without the true token (0, 1/2, 1/2)
    assert ce_u(Batch(forget=forget), 1).item() == pytest.approx(math.log(4))


def test_ce_u_of_a_row_with_one_token_keeps_it():
    forget = sequences([-1.0], [0], logits=view([[0.0, 0.0, 0.0]], [0], labels=[1]))
    assert ce_u(Batch(forget=forget), 1).item() == pytest.approx(math.log(3))


def test_ce_u_leaves_out_the_first_n_tokens():
    """Row 0: three tokens over (1/2, 1/4, 1/4), (1/3, 1/3, 1/3), (1/4, 1/2, 1/4), each with token 0
    true; row 1: one token."""
    two = math.log(2)
    values = [[two, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, two, 0.0], [0.0, 0.0, 0.0]]
    logits = view(values, [0, 0, 0, 1], labels=[0, 0, 0, 0])
    batch = Batch(forget=sequences([-1.0] * 4, [0, 0, 0, 1], logits=logits))
    # targets (0, 1/2, 1/2), (0, 1/2, 1/2), (0, 2/3, 1/3)
    losses = [math.log(4), math.log(3), (2 * math.log(2) + math.log(4)) / 3]
    single = math.log(3)
    assert ce_u(batch, 0).tolist() == pytest.approx([sum(losses) / 3, single])
    assert ce_u(batch, 1).tolist() == pytest.approx([sum(losses[1:]) / 2, single])
    assert ce_u(batch, 2).tolist() == pytest.approx([losses[2], single])
    assert ce_u(batch, 3).tolist() == pytest.approx([sum(losses) / 3, single])  # too few to ignore


def test_rmu_steers_to_one_direction_of_the_seed():
    zeros = view([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    batch = Batch(forget=sequences([-1.0, -1.0], [0, 1], activations=zeros))
    loss = steer(batch, steering=6.0, seed=3)
    assert loss.tolist() == pytest.approx([18.0, 18.0])  # 6² over a width of 2
    loss.sum().backward()
    direction = -zeros.values.grad
    assert direction[0].tolist() == direction[1].tolist() and (direction > 0).all()
    zeros.values.grad = None
    steer(batch, steering=6.0, seed=4).sum().backward()
    assert (-zeros.values.grad[0]).tolist() != direction[0].tolist()


def test_rmu_keeps_retain_activations_in_place():
    activations = view([[1.0, 3.0]], [0], teacher=[[1.0, 1.0]])
    retain = sequences([-1.0], [0], activations=activations)
    assert keep_activations(Batch(retain=retain)).item() == pytest.approx(
        2.0
    )  # 2² over a width of 2


def test_rmu_trains_the_down_projections_of_three_layers():
    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList()
            for _ in range(6):
                layer = torch.nn.Module()
                layer.mlp = torch.nn.Module()
                layer.mlp.down_proj = torch.nn.Linear(2, 2, bias=False)
                layer.mlp.up_proj = torch.nn.Linear(2, 2, bias=False)
                self.layers.append(layer)

    model = Tiny()
    down = [layer.mlp.down_proj.weight for layer in model.layers]
    parameters = trained_parameters(model, 4, DOWN_PROJECTIONS)
    assert [id(p) for p in parameters] == [id(p) for p in down[2:5]]
    assert [id(p) for p in trained_parameters(model, 0, DOWN_PROJECTIONS)] == [id(down[0])]
    up = trained_parameters(model, 4, r"layers\.(1|2)\.mlp\.up_proj\.weight")
    assert [id(p) for p in up] == [id(layer.mlp.up_proj.weight) for layer in model.layers[1:3]]


def test_pdu_flattens_logits_and_its_weight_follows_the_retain_loss():
    logits = view([[3.0, 0.0, 0.0], [1.0, 1.0, 1.0]], [0, 1])
    forget = sequences([-1.0, -1.0], [0, 1], logits=logits)
    assert flatten_margin(Batch(forget=forget)).tolist() == pytest.approx([4.0, 0.0])
    rule = {"retain_loss_eps": 0.3, "dual_step_size": 5.0, "dual_warmup_epochs": 5}
    rule |= {"dual_update_upon": "step"}
    assert dual_variable(100.0, 0.5, 4.9, **rule) == 100.0
    assert dual_variable(100.0, 0.5, 5.0, **rule) == pytest.approx(101.0)
    assert dual_variable(1.0, 0.0, 6.0, **rule) == 0.0
    assert dual_variable(7.0, 9.0, 6.0, **{**rule, "dual_step_size": 0.0}) == 7.0


def test_altpo_is_dpo_with_a_false_answer():
    forget = sequences([-1.0], [0], reference_nll=torch.tensor([2.0]))
    false = sequences([-3.0], [0], reference_nll=torch.tensor([1.0]))
    loss = altpo(Batch(forget=forget, alternative=false), beta=0.5)
    margin = 0.5 * ((1.0 - 3.0) - (2.0 - 1.0))
    assert loss.item() == pytest.approx(4 * math.log(1 + math.exp(-margin)))
    assert loss.item() == dpo(Batch(forget=forget, idk=false), beta=0.5).item()


def test_variants_of_npo_and_simnpo():
    forget = sequences([-1.0, -2.0], [0, 0], reference_nll=torch.tensor([1.0]))
    loss = npo_token_mean(Batch(forget=forget), beta=0.5)  # (3 - 1) / 2 = 1
    assert loss.item() == pytest.approx(4 * math.log(1 + math.exp(-0.5)))
    batch = Batch(forget=forget)
    printed = simnpo_as_printed(batch, beta=2.0, gamma=1.0)  # 2 · 1.5 - 1
    assert printed.item() == pytest.approx(math.log(1 + math.exp(-2.0)))
    assert printed.item() == pytest.approx(simnpo(batch, beta=2.0, gamma=0.5).item())


def test_kl_is_zero_at_the_target_and_counts_positions_per_row():
    even, sure = [0.0, 0.0], [math.log(3), 0.0]
    taught = view([even, even, even], [0, 0, 1], teacher=[even, sure, even])
    loss = retain_divergence(Batch(retain=sequences([-1.0, -1.0], [0, 1], logits=taught)))
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert loss.tolist() == pytest.approx([expected / 2, 0.0], abs=1e-7)


def test_a_task_vector_goes_the_opposite_way():
    start, trained = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        for model, value in ((start, 1.0), (trained, 3.0)):
            for parameter in model.parameters():
                parameter.fill_(value)
    negate(trained, start, alpha=5.0)
    assert {p.item() for p in trained.parameters()} == {1.0 - 5.0 * 2.0}
