"""An evaluation of a toy model: what its one pass says of tokens, against plain logits."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from toy import toy
from unlearning.benchmarks.tofu.formulas import VARIANTS
from unlearning.benchmarks.tofu.metrics import METRICS, summarise
from unlearning.data.encoding import Encoder
from unlearning.data.packing import group_by_prompt
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.evaluation import evaluator as evaluator_module
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.evaluation.likelihood import batches_by_length
from unlearning.evaluation.membership import ATTACKS, min_k_plus_plus
from unlearning.evaluation.memorization import exact_memorization, extraction_strength

WRONG = ["carl wrote it", "ben wrote this book"]
PAIRS = [("who wrote this book ?", "ann wrote it"), ("who wrote it ?", "ben"), ("who ?", "i")]


def rows(count=3, **more):
    return [{"question": q, "answer": a, **more} for q, a in PAIRS[:count]]


def make(encoder, **options):
    own = {"perturbed_answer": WRONG, "paraphrased_answer": "it ann wrote"}
    sets = {
        "forget": rows(**own),
        "retain": rows(2, **own),
        "real_authors": rows(2, perturbed_answer=WRONG),
        "world_facts": rows(1, perturbed_answer=WRONG),
        "holdout": rows(2),
    }
    accelerator = Accelerator(cpu=True)
    return Evaluator(sets, encoder, accelerator, batch_tokens=64, limit=Limit(6, "new"), **options)


@pytest.fixture(scope="module")
def world():
    """model, encoder, and the columns of a complete evaluation of the model by itself."""
    model, tokenizer = toy()
    encoder = Encoder(tokenizer, PROMPTS["plain"], 40)
    evaluator = make(encoder, attacks=ATTACKS, further_rouge=["paraphrase", "perturbed"])
    columns = evaluator(model)
    evaluator.add_fluency(model, columns)
    return SimpleNamespace(model=model, encoder=encoder, evaluator=evaluator, columns=columns)


def plain(world, question, answer):
    """logp (n, V) and labels (n,) of an answer with its end of sequence."""
    example = world.encoder.encode(question, answer)
    with torch.no_grad():
        logits = world.model(torch.tensor([example.ids])).logits[0]
    logp = logits.log_softmax(-1)[example.start - 1 : -1]
    return logp, torch.tensor(example.ids[example.start :])


def test_one_pass_over_each_question_serves_every_metric(world):
    evaluator = make(world.encoder, attacks=[name for name in ATTACKS if name != "gradnorm"])
    passes = []
    hook = world.model.get_decoder().register_forward_pre_hook(
        lambda module, args, own: passes.append(own["input_ids"].numel()), with_kwargs=True
    )
    evaluator(world.model, generate=False)
    hook.remove()
    trees = group_by_prompt(evaluator.examples)
    assert len(trees) == len(PAIRS)  # five sets ask the same questions
    lengths = [tree.tokens for tree in trees]
    assert len(passes) == len(list(batches_by_length(lengths, evaluator.batch_tokens)))
    assert sum(lengths) <= sum(passes) <= 1.2 * sum(lengths)


def test_rows_that_limits_cut_are_marked(world):
    """By max_length, all rows, and by the room of greedy answers, those that get one."""
    lengths = [len(world.encoder.encode(*pair).ids) for pair in PAIRS]
    starts = [world.encoder.encode(*pair).start for pair in PAIRS]
    longest = max(lengths)
    cut = make(Encoder(world.encoder.tokenizer, PROMPTS["plain"], longest - 1))
    columns = cut(world.model)
    assert columns["forget"]["answer_cut"] == [n >= longest for n in lengths]
    tokens = [n - start - 1 for n, start in zip(lengths, starts, strict=True)]
    assert world.columns["forget"]["answer_cut"] == [False] * 3
    # make() lets answers have six new tokens
    assert world.columns["forget"]["generation_cut"] == [n > 6 for n in tokens]
    cut.limit = Limit(min(tokens), "new")
    assert cut(world.model)["forget"]["generation_cut"] == [n > min(tokens) for n in tokens]
    cut.limit = Limit(longest - 2, "total")
    assert cut(world.model)["forget"]["generation_cut"] == [n >= longest for n in lengths]
    assert "generation_cut" not in columns["holdout"] and "answer_cut" in columns["holdout"]


def test_answers_end_where_the_model_s_generate_would(world):
    """At every special token that generation_config names, not at that of training alone."""
    model, words = toy()
    ids = torch.tensor([world.encoder.prompt_ids(PAIRS[0][0])])
    first = int(model(ids).logits[0, -1].argmax())
    assert world.columns["forget"]["generation"][0].startswith(words.decode([first]))
    words.add_tokens(words.convert_ids_to_tokens([first]))  # decoded, unlike special tokens
    model.generation_config.eos_token_id = [words.eos_token_id, first]
    columns = make(Encoder(words, PROMPTS["plain"], 40))(model)
    assert columns["forget"]["generation"][0] == ""


@pytest.mark.parametrize("row", range(3))
def test_tokens_equal_those_of_plain_logits(world, row):
    logp, labels = plain(world, *PAIRS[row])
    forget = world.columns["forget"]
    own = logp.gather(1, labels[:, None])[:, 0]
    match = (logp.argmax(-1) == labels).tolist()
    assert forget["answer_loss"][row] == pytest.approx(-float(own.mean()), rel=1e-5)
    assert forget["extraction_strength"][row] == extraction_strength(match)
    assert forget["exact_memorization"][row] == exact_memorization(match)
    mu = (logp.exp() * logp).sum(-1)
    sigma = (logp.exp() * (logp - mu[:, None]) ** 2).sum(-1).sqrt()
    expected = min_k_plus_plus(own.tolist(), mu.tolist(), sigma.tolist())
    assert forget["mia_min_k_plus_plus"][row] == pytest.approx(expected, rel=1e-4)


def test_gradient_norm_is_the_mean_over_parameters(world):
    example = world.encoder.encode(*PAIRS[0])
    ids = torch.tensor([example.ids[:-1]])  # without the end of sequence
    labels = ids.clone()
    labels[:, : example.start] = -100
    world.model(input_ids=ids, labels=labels).loss.backward()
    norms = torch.stack([p.grad.norm() for p in world.model.parameters()])
    world.model.zero_grad(set_to_none=True)
    assert world.columns["forget"]["mia_gradnorm"][0] == pytest.approx(
        float(norms.mean()), rel=1e-4
    )
    assert world.columns["forget"]["mia_gradnorm"][2] > 0
    assert all(p.grad is None for p in world.model.parameters())


def test_fluency_is_the_likelihood_of_the_answer_without_its_end(world):
    texts = ["ann wrote it", " ", "ben"]
    columns = {name: {"generation": []} for name in world.evaluator.generated}
    columns["forget"]["generation"] = texts
    only = make(world.encoder)
    only.generated = ["forget"]
    only.add_fluency(world.model, columns)
    found = columns["forget"]["generation_nll"]
    for place in (0, 2):
        logp, labels = plain(world, PAIRS[place][0], texts[place])
        expected = -float(logp.gather(1, labels[:, None])[:-1].mean())
        assert found[place] == pytest.approx(expected, rel=1e-5)
    assert found[1] is None


def test_non_members_are_scored_and_no_more(world):
    holdout = world.columns["holdout"]
    scores = {f"mia_{attack}" for attack in ATTACKS if attack != "reference"}
    texts, likelihood = {"question", "answer"}, {"answer_loss", "answer_tokens", "answer_cut"}
    assert set(holdout) == {*texts, *likelihood, *scores}
    assert all(len(column) == 2 for column in holdout.values())


def test_without_attacks_no_row_is_scored_for_them(world):
    columns = make(world.encoder)(world.model, generate=False)
    assert not [key for key in columns["forget"] if key.startswith("mia_")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_metric_is_declared_and_in_its_range(world, variant):
    found = summarise(world.columns, variant)
    for name, value in found.items():
        low, high = METRICS[name].range
        assert low <= value <= high, (name, value)
    elsewhere = {"forget_quality", "log10_forget_quality", "ks_statistic", "forget_quality_rows"}
    elsewhere |= {"truth_ratio_shift"}
    elsewhere |= {"mia_reference_auc", "privleak"}  # these compare with a retrained model
    elsewhere |= {name for name in METRICS if name.endswith("_relative")}
    along = ("early_weight", "divergence")  # these look at a run's way
    elsewhere |= {name for name in METRICS if "@" in name or name.startswith(along)}
    assert set(METRICS) - set(found) <= elsewhere | {f"{s}_perplexity" for s in world.columns}


def test_rouge_against_other_answers_is_of_the_same_generation(world):
    forget, score = world.columns["forget"], world.evaluator.rouge
    for row, said in enumerate(forget["generation"]):
        assert forget["rouge_l_recall_paraphrase"][row] == score("it ann wrote", said).recall
        recalls = [score(text, said).recall for text in WRONG]
        assert forget["rouge_l_recall_perturbed"][row] == pytest.approx(sum(recalls) / 2)
    assert "rouge_l_recall_paraphrase" not in world.columns["real_authors"]
    assert len(world.columns["real_authors"]["rouge_l_recall_perturbed"]) == 2
    assert "rouge_l_recall_perturbed" not in make(world.encoder)(world.model)["forget"]


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused(world):
    """Its answer would be empty whatever the model knows, and its ROUGE 0."""
    prompt = len(world.encoder.prompt_ids(PAIRS[0][0]))
    fits = {"forget": [{"question": PAIRS[0][0], "answer": PAIRS[0][1]}]}
    accelerator = Accelerator(cpu=True)
    for limit in (prompt, prompt + 1):
        evaluator = Evaluator(
            fits, world.encoder, accelerator, batch_tokens=64, limit=Limit(limit, "total")
        )
        if limit == prompt:
            with pytest.raises(UserError, match=f"generation_tokens: {prompt} tokens.*'who wrote"):
                evaluator(world.model)
        else:
            assert len(evaluator(world.model)["forget"]["generation"]) == 1


def test_share_of_tokens_and_norm_of_the_attacks(world):
    """All tokens instead of the least likely 40%, and the largest gradient of each parameter."""
    attacks = ["min_k", "min_k_plus_plus", "gradnorm", "loss"]
    evaluator = make(world.encoder, attacks=attacks, k=1.0, norm=float("inf"))
    forget = evaluator(world.model, generate=False)["forget"]
    logp, labels = plain(world, *PAIRS[0])
    own = logp.gather(1, labels[:, None])[:-1, 0]
    assert forget["mia_min_k"][0] == pytest.approx(-float(own.mean()), rel=1e-5)
    example = world.encoder.encode(*PAIRS[0])
    ids = torch.tensor([example.ids[:-1]])
    taught = ids.clone()
    taught[:, : example.start] = -100
    world.model(input_ids=ids, labels=taught).loss.backward()
    largest = torch.stack([p.grad.abs().max() for p in world.model.parameters()])
    world.model.zero_grad(set_to_none=True)
    assert forget["mia_gradnorm"][0] == pytest.approx(float(largest.mean()), rel=1e-4)


def test_a_collapsed_model_is_evaluated_to_numbers(world):
    model, _ = toy()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    columns = make(world.encoder, attacks=ATTACKS)(model, generate=False)
    for name in ("forget", "holdout"):
        for key, values in columns[name].items():
            if key.startswith("mia_"):
                assert all(abs(value) < float("inf") for value in values), (name, key)


def test_description_does_not_depend_on_its_chunks(world, monkeypatch):
    monkeypatch.setattr("unlearning.models.scorer.POSITIONS", 2)
    again = make(world.encoder, attacks=["min_k_plus_plus"])(world.model, generate=False)
    assert again["forget"]["mia_min_k_plus_plus"] == pytest.approx(
        world.columns["forget"]["mia_min_k_plus_plus"]
    )


def test_only_true_answers_are_described(world, monkeypatch):
    asked = []

    class Spy(evaluator_module.Likelihood):
        def __call__(self, examples, detailed=None):
            asked.append(sum(detailed) / len(examples))
            return super().__call__(examples, detailed)

    monkeypatch.setattr(evaluator_module, "Likelihood", Spy)
    make(world.encoder)(world.model, generate=False)
    answers, everything = 3 + 2 + 2 + 1 + 2, 3 * 4 + 2 * 4 + 2 * 3 + 3 + 2
    assert asked == [answers / everything]
