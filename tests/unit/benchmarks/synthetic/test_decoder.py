"""The released decoder and its optimiser against formulas written out."""

import copy
import math

import numpy
import pytest
import torch
from unlearning.benchmarks.synthetic.decoder import Decoder
from unlearning.benchmarks.synthetic.markov import AdamW, MarkovStudy, Rows, sequences
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.sequences import Batch
from unlearning.training.learning import cross_entropy

SETTINGS = {
    "states": 10,
    "leakage": 0.2,
    "sequences": {"retain": 40, "forget1": 20, "forget2": 20},
    "test_share": 0.5,
    "test_rows": None,
    "model": {"layers": 1, "width": 8},
    "pretrain": {"epochs": 1, "batch_size": 8, "lr": 1e-3},
    "unlearn": {"iterations": 2, "batch_size": 2, "lr": 1e-3},
    "lengths": {"retain": 6, "forget1": 6, "forget2": 3},
    "learnt": ["retain", "forget1", "forget2"],
}


def seeded(**shape) -> Decoder:
    torch.manual_seed(1)
    return Decoder(**shape)


def normalised(hidden: numpy.ndarray) -> numpy.ndarray:
    centred = hidden - hidden.mean(-1, keepdims=True)
    return centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def test_forward_pass_written_out():
    """Each position attends to itself and the positions before it; scores over sqrt(width)."""
    model = seeded(states=3, positions=4, layers=2, width=4).double()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    states = [2, 0, 1, 1]
    hidden = weights["states.weight"][states] + weights["positions.weight"]
    for k in range(2):
        layer = {n[9:]: v for n, v in weights.items() if n.startswith(f"layers.{k}.")}
        query, key, value = (hidden @ layer[f"{n}.weight"].T for n in ("query", "key", "value"))
        attended = numpy.empty_like(hidden)
        for t in range(4):
            scores = numpy.exp([query[t] @ key[s] / math.sqrt(4) for s in range(t + 1)])
            attended[t] = (scores / scores.sum()) @ value[: t + 1]
        hidden = normalised(hidden + attended)
        inner = numpy.maximum(hidden @ layer["mlp.0.weight"].T + layer["mlp.0.bias"], 0)
        hidden = normalised(hidden + inner @ layer["mlp.2.weight"].T + layer["mlp.2.bias"])
    expected = hidden @ weights["output.weight"].T + weights["output.bias"]
    assert model(torch.tensor([states]))[0].detach().numpy() == pytest.approx(expected)


def test_size_of_the_released_model():
    """10 states, 19 steps: 4 x (3 of 128² + 2 of (128² + 128) + 2 norms), embeddings, output."""
    model = seeded(states=10, positions=19, layers=4, width=128)
    layer = 5 * 128**2 + 2 * 128 + 4 * 128
    expected = 4 * layer + (10 + 19) * 128 + 128 * 10 + 10
    assert sum(p.numel() for p in model.parameters()) == expected == 335754
    assert float(model.positions.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_first_step_of_transformers_adamw():
    """eps before the bias correction: lr g / (g + 1e-6 / sqrt(0.001)) for a gradient of 1e-4."""
    model = seeded(states=3, positions=2, layers=1, width=4)
    before = model.output.bias.detach().clone()
    AdamW(model, lr=0.01).step(1e-4 * model.output.bias.sum())
    moved = before - model.output.bias.detach()
    assert moved.numpy() == pytest.approx(0.01 * 1e-4 / (1e-4 + 1e-6 / math.sqrt(0.001)), rel=1e-3)


def test_padding_is_no_label():
    model = seeded(states=10, positions=5, layers=2, width=8)
    short = torch.tensor([[7, 8, 6]])
    padded, unpadded = Rows.of(short, 6), Rows.of(short, 3)
    assert padded.states.tolist() == [[7, 8, 6, 0, 0, 0]]
    logp = [sequences(model, rows).logp.detach().numpy() for rows in (padded, unpadded)]
    assert len(logp[0]) == 2 and logp[0] == pytest.approx(logp[1], abs=1e-6)


def test_cross_entropy_is_the_mean_over_all_tokens_of_a_batch():
    """As torch takes it with ignored labels: the two tokens of a short row are two of seven."""
    model = seeded(states=10, positions=5, layers=1, width=8)
    rows = Rows(
        torch.tensor([[0, 1, 2, 0, 1, 2], [7, 8, 6, 0, 0, 0]]),
        torch.tensor([[True] * 5, [True, True, False, False, False]]),
    )
    labels = torch.where(rows.labelled, rows.states[:, 1:], -100)
    expected = torch.nn.functional.cross_entropy(
        model(rows.states[:, :-1]).flatten(0, 1), labels.flatten()
    )
    loss = cross_entropy(Batch(train=sequences(model, rows), pool=True))
    assert loss.shape == (1,) and float(loss) == pytest.approx(float(expected))


def test_a_study_measures_from_the_target_on():
    study = MarkovStudy(SETTINGS, seed=1)
    curves = study.unlearn("NPO+RT", {"beta": 1})["curves"]
    assert curves["step"] == [0, 1, 2]
    start = study.divergences(study.target)
    assert {name: curve[0] for name, curve in curves.items() if name != "step"} == start
    assert curves["forget1"][1] != curves["forget1"][0]
    # The target itself has not moved.
    assert study.unlearn("NPO+RT", {"beta": 1})["curves"] == curves


def label_logp(model: Decoder, rows: Rows) -> torch.Tensor:
    """(n, T - 1) log-probabilities of the labels, 0 at padding."""
    logp = model(rows.states[:, :-1]).log_softmax(-1).gather(2, rows.states[:, 1:, None])[..., 0]
    return torch.where(rows.labelled, logp, 0.0)


def npo(model: Decoder, target: Decoder, rows: Rows) -> torch.Tensor:
    """-(2/β) log σ(β(L - L_target)) of summed losses, β 0.2; a mean over the batch."""
    with torch.no_grad():
        reference = label_logp(target, rows).sum(1)
    ratio = reference - label_logp(model, rows).sum(1)
    return -(2 / 0.2) * torch.nn.functional.logsigmoid(0.2 * ratio).mean()


def simnpo(model: Decoder, _, rows: Rows) -> torch.Tensor:
    """-(2/β) log σ(β L/|y|), β 4."""
    means = -label_logp(model, rows).sum(1) / rows.labelled.sum(1)
    return -(2 / 4) * torch.nn.functional.logsigmoid(4 * means).mean()


@pytest.mark.parametrize(
    ("method", "hyper", "loss"),
    [("NPO", {"beta": 0.2}, npo), ("SimNPO", {"beta": 4, "gamma": 0}, simnpo)],
)
def test_a_run_takes_the_steps_of_the_released_loop(method, hyper, loss):
    """Rows of both lengths, ten steps; AdamW of transformers written out, without decay."""
    unlearn = {"iterations": 10, "batch_size": 4, "lr": 5e-3}
    study = MarkovStudy({**SETTINGS, "unlearn": unlearn}, seed=1)
    curves = study.unlearn(method, hyper)["curves"]
    batches = study._batches(build_objective(resolve(method, hyper).settings(), 1), 4)
    model = copy.deepcopy(study.target)
    parameters = list(model.parameters())
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for step in range(1, 11):
        model.zero_grad()
        loss(model, study.target, next(batches)["forget"]).backward()
        rate = 5e-3 * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        with torch.no_grad():
            for p, m, v in zip(parameters, first, second, strict=True):
                m.mul_(0.9).add_(0.1 * p.grad)
                v.mul_(0.999).add_(0.001 * p.grad**2)
                p.sub_(rate * m / (v.sqrt() + 1e-6))
        for chain, value in study.divergences(model).items():
            assert curves[chain][step] == pytest.approx(value, rel=1e-4)
    assert curves["forget1"][-1] != pytest.approx(curves["forget1"][0], rel=0.1)


def test_target_and_retrained_model_start_alike():
    """With nothing learnt but the retain chain they are one model."""
    study = MarkovStudy({**SETTINGS, "learnt": ["retain"]}, seed=1)
    assert study.divergences(study.target) == dict.fromkeys(("retain", "forget1", "forget2"), 0.0)
