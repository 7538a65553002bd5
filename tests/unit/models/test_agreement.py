"""Packing is used where it scores as one sequence alone does, and nowhere else."""

from functools import partial

import pytest
import torch
from accelerate import Accelerator
from families import ROWS, family_model, plain_logp
from unlearning.data.encoding import Example
from unlearning.errors import UserError
from unlearning.evaluation.likelihood import Likelihood
from unlearning.methods.objective import Needs, build_objective
from unlearning.methods.registry import resolve
from unlearning.models import agreement
from unlearning.models.agreement import layout_of
from unlearning.models.scorer import PACKED, PADDED, PLAIN, Scorer
from unlearning.training.batches import score_pairs
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sources import LearnSource

CPU = torch.device("cpu")
SHORT = [row for row in ROWS if len(row.ids) <= 16]


@pytest.fixture(autouse=True)
def nothing_compared(monkeypatch):
    monkeypatch.setattr(agreement, "_AGREED", {})
    monkeypatch.setattr(agreement, "_LOGGED", set())


def layout(model, rows):
    likelihood = Likelihood(model)
    likelihood(rows)
    return likelihood.scorer.layout


def bare_nll(model, row, after):
    """NLL of a row from the head's raw outputs, with `after` done to them by hand."""
    hidden = model.base_model(torch.tensor([row.ids])).last_hidden_state[0, row.start - 1 : -1]
    logits = after(model.get_output_embeddings()(hidden))
    labels = torch.tensor(row.ids[row.start :])
    return -float(logits.log_softmax(-1)[torch.arange(len(labels)), labels].sum())


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("Gemma-2", lambda logits: 2 * torch.tanh(logits / 2)),
        ("Granite", lambda logits: logits / 8),
        ("Cohere", lambda logits: logits / 4),
    ],
)
def test_caps_and_scales_apply(name, after):
    model = family_model(name)
    scores = Likelihood(model)(ROWS)
    for row, score in zip(ROWS, scores, strict=True):
        with torch.no_grad():
            assert score.nll == pytest.approx(bare_nll(model, row, after), abs=1e-4)
            assert abs(score.nll - bare_nll(model, row, lambda logits: logits)) > 0.05


def test_a_window_shows_in_rows_longer_than_it(capsys):
    model = family_model("Mistral, window 16")
    assert layout(model, SHORT) == PACKED
    assert capsys.readouterr().out == ""
    assert layout(model, ROWS) == PADDED  # one is longer: compared anew
    assert layout(model, SHORT) == PADDED
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "mistral" in lines[0] and "not packed" in lines[0]


@pytest.mark.parametrize("name", ["Mistral, window 16", "Gemma-2", "GPT-J", "Mamba"])
def test_whole_logits_and_activations_are_the_models_own(name):
    """The teacher's too, and in the layout that training chose."""
    model, teacher = family_model(name), family_model(name)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(1.1)
    objective = build_objective(resolve("NPO+KL", {}).settings())
    kinds = {"forget": "every", "retain": "next"}
    objective.needs = Needs(logits=kinds, teacher=("retain",), layer=0)
    pairs = [
        {"forget": row, "retain": retain} for row, retain in zip(ROWS, ROWS[::-1], strict=True)
    ]
    training_layout = layout(model, ROWS)
    batch = score_pairs(
        Scorer(model, training_layout), pairs, objective, CPU, Scorer(teacher, training_layout)
    )
    for index, pair in enumerate(pairs):
        for role, row in pair.items():
            ids = torch.tensor([row.ids])
            expected = model(input_ids=ids, use_cache=False, output_hidden_states=True)
            view = getattr(batch, role).logits
            end = len(row.ids) - (role == "retain")
            values = view.values[view.row == index]
            torch.testing.assert_close(values, expected.logits[0, :end], atol=1e-5, rtol=1e-5)
            activations = getattr(batch, role).activations
            values = activations.values[activations.row == index]
            states = expected.hidden_states[1][0, row.start :]
            torch.testing.assert_close(values, states, atol=1e-5, rtol=1e-5)
        teacher_logits = batch.retain.logits.teacher[batch.retain.logits.row == index]
        ids = torch.tensor([pair["retain"].ids])
        expected_logits = teacher(input_ids=ids, use_cache=False).logits[0, :-1]
        torch.testing.assert_close(teacher_logits, expected_logits, atol=1e-5, rtol=1e-5)


def test_training_compares_whatever_was_scored_before():
    """Each process has scored rows of its own, and all must meet in training's comparison."""
    model = family_model("Llama")
    assert layout(model, ROWS) == PACKED
    passes = []
    model.model.layers[0].register_forward_pre_hook(lambda *_: passes.append(1))
    scorer = Scorer(model)
    layout_of(scorer, model, SHORT)
    assert not passes
    for _ in range(2):
        assert layout_of(scorer, model, SHORT, "training") == PACKED
    assert len(passes) == 3 + 1 + 1  # plain, padded, packed: once


@pytest.mark.parametrize("name", ["Mistral, window 16", "RWKV", "Gemma-2, window 16"])
def test_training_starts_from_the_plain_loss(name):
    """Rows are not packed in training either: its first loss is that of plain passes."""
    model = family_model(name)
    with torch.no_grad():
        expected = [float(-plain_logp(model, row).mean()) for row in ROWS]
    recipe = Recipe(1, len(ROWS), 1e-3, 0, "constant", 0.0, None, 128)
    plan = StepPlan.of(recipe, len(ROWS))
    source = LearnSource(plan, 0, ROWS, [], 0)
    history = train(model, source, LEARN, plan, recipe, Fit(4), Accelerator(cpu=True))
    assert history.losses[0] == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_a_model_that_sees_what_follows_is_refused():
    model = family_model("Llama")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(UserError, match="(?s)model family llama .*docs/models.md"):
        Likelihood(model)(ROWS)


def test_a_family_that_fails_by_itself_is_refused():
    model = family_model("Llama")
    model.model.embed_tokens = torch.nn.Embedding(50, 32)  # ids go up to 96
    with pytest.raises(UserError, match="llama .*own forward pass fails.*IndexError"):
        Likelihood(model)(ROWS)


@pytest.mark.parametrize("name", ["Llama", "Gemma-3 (text)", "Mixtral"])
def test_half_precision_packs_what_float32_does(name):
    model = family_model(name)
    with torch.autocast("cpu", torch.bfloat16):
        assert layout(model, ROWS) == PACKED
    assert layout(model.bfloat16(), ROWS) == PACKED


class OneKernel(Scorer):
    """A scorer as on a GPU: one kernel computes plain and padded rows, with equal bits, and another
    one packed rows, with roundings of its own."""

    def forward(self, examples, layout=None, **options):
        if layout != PACKED:
            return super().forward(examples, layout=PLAIN, **options)
        embeddings = self.model.get_input_embeddings()
        handle = embeddings.register_forward_hook(lambda module, inputs, out: out * (1 - 2**-8))
        values = super().forward(examples, layout=PACKED, **options)
        handle.remove()
        return values


def test_rounding_of_a_deep_model_of_16_bits_is_measured():
    model = family_model("Llama", num_hidden_layers=40).bfloat16()
    scorer, spans = OneKernel(model), [(0, 0, len(ROWS[0].ids) - 1)]
    logits = partial(agreement._logits, scorer, model, ROWS[:1], spans)
    plain, padded, packed = (logits(layout)[0] for layout in (PLAIN, PADDED, PACKED))
    assert torch.equal(padded, plain)
    assert agreement.distance(packed, plain) > agreement.ROUNDING_HALF
    assert layout_of(scorer, model, ROWS) == PACKED
    window = family_model("Mistral, window 16", num_hidden_layers=40).bfloat16()
    assert layout_of(OneKernel(window), window, ROWS) == PADDED


def test_autocast_does_not_blur_the_comparison():
    """Weights of float32 are compared in float32, where a wrong mask shows above rounding."""
    model = family_model("Llama", num_hidden_layers=40)
    scorer, spans = Scorer(model), [(0, 0, len(ROWS[0].ids) - 1)]
    exact = scorer(ROWS[:1], full=spans, layout=PLAIN)["logits"]
    # as accelerate's prepare() changes an instance
    scorer.forward = torch.autocast("cpu", torch.bfloat16)(scorer.forward)
    assert not torch.equal(scorer(ROWS[:1], full=spans, layout=PLAIN)["logits"], exact)
    compared, _ = agreement._logits(scorer, model, ROWS[:1], spans, PLAIN)
    assert torch.equal(compared, exact)


class NoNumbersUnderAutocast(Scorer):
    """A scorer whose mask is infinite once autocast has changed its type."""

    def forward(self, examples, layout=None, exact=False, **options):
        values = super().forward(examples, layout=layout, exact=exact, **options)
        if layout == PACKED and not exact:
            values["logits"] = values["logits"] * torch.nan
        return values


def test_packed_rows_have_numbers_under_autocast_too(capsys):
    model = family_model("Llama")
    scorer = NoNumbersUnderAutocast(model)
    assert layout_of(scorer, model, ROWS) == PACKED
    agreement._AGREED.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert layout_of(scorer, model, ROWS) == PADDED
    assert "under autocast" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Mistral, window 16", "Qwen3.5 (text)", "MPT"])
def test_half_precision_packs_nothing_that_float32_does_not(name):
    assert layout(family_model(name).bfloat16(), ROWS) == PADDED


def test_a_collapsed_model_is_scored(capsys):
    model = family_model("Llama")
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.nan)
    scores = Likelihood(model)(ROWS)
    assert all(score.mean == pytest.approx(1e4) for score in scores)
    assert "not finite" in capsys.readouterr().out


def test_what_is_compared():
    rows = [Example(tuple(range(10, 10 + n)), n - 2) for n in (4, 9, 5, 7, 6)]
    middle, sibling, longest = agreement.probes(rows)
    assert (middle, longest) == (rows[4], rows[1])
    assert sibling.ids == (*middle.ids[:4], *longest.ids[-2:]) and sibling.start == 4


def test_distances_are_in_parts_of_the_spread():
    plain = torch.tensor([[3.0, -1.0, 1.0], [0.0, 0.0, 6.0]])
    values = plain + torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.6, 0.0]])
    # spread of (0, 0, 6): (-2, -2, 4), of length sqrt(24)
    assert agreement.distance(values, plain) == pytest.approx(0.6 / 24**0.5)
    assert agreement.distance(None, plain) == agreement.distance(values[:1], plain) == torch.inf
