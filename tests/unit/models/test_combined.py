"""Two models that answer as one: who-is-Harry-Potter's unlearned model."""

import copy
from argparse import Namespace

import pytest
import torch
from toy import toy
from transformers import AutoModelForCausalLM
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.likelihood import Likelihood
from unlearning.methods.harry_potter import combine
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.agreement import nudged
from unlearning.models.folder import DTYPES, load_model, save_model
from unlearning.models.scorer import PACKED
from unlearning.stages.unlearn import make_finalise

PROMPTED = ["who wrote this book ?", "who ?", "who wrote it ?"]


@pytest.fixture(scope="module")
def parts():
    """Target, reinforced model and tokenizer."""
    (target, tokenizer), (reinforced, _) = toy(seed=1), toy(seed=2)
    return target.eval(), reinforced.eval(), tokenizer


def expected(parts, ids, alpha):
    """The formula, from plain passes of both models: (T, V)."""
    target, reinforced, _ = parts
    with torch.no_grad():
        z_b, z_r = (m(torch.tensor([ids])).logits[0] for m in (target, reinforced))
    return torch.where(z_r > z_b, z_b - alpha * (z_r - z_b), z_b)


def test_logits_by_hand(parts):
    ids = parts[2]("who wrote it ?").input_ids
    combined = combine(parts[1], parts[0], alpha=2.0)
    with torch.no_grad():
        logits = combined(input_ids=torch.tensor([ids])).logits[0]
        last_logits = combined(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0]
    assert torch.allclose(logits, expected(parts, ids, 2.0), atol=1e-5)
    assert torch.allclose(last_logits, logits[-1:], atol=1e-6)
    assert not torch.allclose(logits, expected(parts, ids, 0.0), atol=1e-2)


def test_it_is_scored_like_any_model(parts):
    """Packed, with prompts in common once."""
    encoder = Encoder(parts[2], PROMPTS["plain"], 40)
    examples = [encoder.encode(q, a) for q in PROMPTED for a in ("ann wrote it", "ben")]
    combined = combine(parts[1], parts[0], alpha=1.0)
    scores = Likelihood(combined)(examples)
    for example, score in zip(examples, scores, strict=True):
        logp = expected(parts, list(example.ids), 1.0).log_softmax(-1)
        labels = torch.tensor(example.ids[example.start :])
        label_logp = logp[example.start - 1 : -1].gather(1, labels[:, None])
        assert score.nll == pytest.approx(-float(label_logp.sum()), rel=1e-4)


def test_rounding_of_16_bits_is_measured_in_both_models(parts):
    encoder = Encoder(parts[2], PROMPTS["plain"], 40)
    examples = [encoder.encode(q, a) for q in PROMPTED for a in ("ann wrote it", "ben")]
    target, reinforced = (copy.deepcopy(model).bfloat16() for model in parts[:2])
    likelihood = Likelihood(combine(reinforced, target, alpha=1.0))
    likelihood(examples)
    assert likelihood.scorer.layout == PACKED
    embeddings = target.get_input_embeddings(), reinforced.get_input_embeddings()
    ids = torch.tensor([examples[0].ids])
    with torch.no_grad():
        plain = [embedding(ids) for embedding in embeddings]
        with nudged(likelihood.scorer.model):
            moved = [embedding(ids) for embedding in embeddings]
    for before, after in zip(plain, moved, strict=True):
        assert not torch.equal(before, after)
        torch.testing.assert_close(after, before, rtol=2**-6, atol=0)


def test_it_answers_in_batches_with_a_cache(parts):
    combined, tokenizer = combine(parts[1], parts[0], alpha=1.0), parts[2]
    generator = Generator(combined, tokenizer, torch.device("cpu"), Limit(5, "new"), 256)
    prompts = [tokenizer(text).input_ids for text in PROMPTED]
    answers = generator(prompts)
    assert generator.batched
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = list(prompt)
        for _ in range(5):
            ids.append(int(expected(parts, ids, 1.0)[-1].argmax()))
            if ids[-1] == tokenizer.eos_token_id:
                break
        assert answer == tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)


def test_a_folder_holds_the_reinforced_part_and_says_what_it_belongs_to(parts, tmp_path):
    target, reinforced, tokenizer = parts
    save_model(tmp_path / "target", target, tokenizer, {"stage": "finetune"})
    combined = combine(reinforced, load_model(str(tmp_path / "target")), alpha=1.5)
    out, start = tmp_path / "whp", str(tmp_path / "target")
    save_model(out, combined, tokenizer, {"stage": "unlearn"}, start=start)
    ids = tokenizer("who wrote it ?").input_ids
    with torch.no_grad():
        logits = load_model(str(out))(input_ids=torch.tensor([ids])).logits[0]
    assert torch.allclose(logits, expected(parts, ids, 1.5), atol=1e-5)
    with pytest.raises((OSError, ValueError)):  # nobody else takes a part for the whole
        AutoModelForCausalLM.from_pretrained(out)
    save_model(tmp_path / "target", reinforced, tokenizer, {"stage": "finetune"})
    with pytest.raises(UserError, match="another model now"):
        load_model(str(out))


@pytest.mark.parametrize("precision", ["float32", "pure-bfloat16"])
def test_a_model_in_training_is_joined_with_the_target_in_its_own_precision(
    parts, tmp_path, precision
):
    """Else a run in pure half precision could not be evaluated on the way."""
    target, reinforced, tokenizer = parts
    save_model(tmp_path / "target", target, tokenizer, {"stage": "finetune"})
    trained = copy.deepcopy(reinforced).to(DTYPES[precision])
    objective = build_objective(resolve("WHP", {}).settings(), seed=1)
    finalise = make_finalise(Namespace(model=tmp_path / "target"), objective, precision)
    combined = finalise(trained)
    assert combined.baseline.dtype == combined.reinforced.dtype == trained.dtype
    assert combined.reinforced is not trained  # which training goes on with
    ids = tokenizer("who wrote it ?").input_ids
    with torch.no_grad():
        logits = combined(input_ids=torch.tensor([ids])).logits[0]
    tolerance = {"float32": 1e-5, "pure-bfloat16": 0.1}[precision]  # a part in 256 of a logit
    assert torch.allclose(logits.float(), expected(parts, ids, 1.0), atol=tolerance)


def test_a_reinforced_part_that_has_collapsed_is_loaded_like_any_run_of_ours(parts, tmp_path):
    target, _, tokenizer = parts
    save_model(tmp_path / "target", target, tokenizer, {"stage": "finetune"})
    collapsed, _ = toy()
    with torch.no_grad():
        collapsed.lm_head.weight.fill_(float("nan"))
    out, start = tmp_path / "whp", str(tmp_path / "target")
    combined = combine(collapsed, target, alpha=1.0)
    save_model(out, combined, tokenizer, {"stage": "unlearn"}, start=start)
    (logits,) = load_model(str(out))(input_ids=torch.tensor([[1, 2]])).logits
    assert logits.isnan().any()


def test_a_family_that_changes_its_logits_is_refused(parts):
    class Capped(torch.nn.Module):
        base_model, config = parts[0].base_model, parts[0].config
        parameters, get_output_embeddings = parts[0].parameters, parts[0].get_output_embeddings

        def forward(self, input_ids):
            output = parts[0](input_ids)
            output.logits = output.logits * 3
            return output

    with pytest.raises(UserError, match="family llama scale or cap their logits"):
        combine(parts[1], Capped(), alpha=1.0)
