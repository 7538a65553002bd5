"""Losses and gradients against the official code, on its own micro-batch of four rows."""

import pytest
import torch
from golden_files import cases, read
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.sequences import Batch, Sequences
from unlearning.models.scorer import Scorer

TOLERANCE = 1e-6  # the official code takes its token means in float32

# official name -> ours; official hyper-parameter -> ours
NAMES = {
    "grad_ascent": "GA",
    "grad_diff": "GA+RT",
    "KL": "GA+KL",
    "idk": "IDK+RT",
    "dpo": "DPO",
    "dpo_grad_diff": "DPO+RT",
    "dpo_KL": "DPO+KL",
    "kto_logsigmoid": "KTO",
    "kto_logsigmoid_grad_diff": "KTO+RT",
    "kto_sigmoid": "KTO-sigmoid",
    "npo": "NPO",
    "npo_grad_diff": "NPO+RT",
    "npo_KL": "NPO+KL",
    "simnpo": "SimNPO",
    "simnpo_grad_diff": "SimNPO+RT",
}
HYPER = {"npo_coeff": "forget_coeff", "grad_diff_coeff": "retain_coeff", "KL_coeff": "retain_coeff"}


def model_of(golden, weights):
    config = AutoConfig.from_pretrained(golden / "losses")
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    model.load_state_dict(load_file(golden / "losses" / weights), strict=False)
    return Scorer(model.eval())


def score(scorer, rows, reference):
    ids, labels, mask = (torch.tensor(rows[k]) for k in ("input_ids", "labels", "attention_mask"))
    # the released KL runs over every position, padding included, but the last, which predicts none
    everywhere = torch.ones_like(mask, dtype=torch.bool)
    found = scorer(ids, labels, mask=mask, full=everywhere)
    sequences = Sequences(found["logp"], found["row"], len(ids))
    with torch.no_grad():
        expected = reference(ids, labels, mask=mask, full=everywhere)
    sequences.reference_nll = Sequences(expected["logp"], expected["row"], len(ids)).nll
    sequences.logits, sequences.logits_row = found["logits"], found["logits_row"]
    sequences.reference_logits = expected["logits"]
    return sequences


@pytest.fixture(scope="module")
def models(golden):
    return model_of(golden, "current.safetensors"), model_of(golden, "reference.safetensors")


@pytest.fixture(scope="module")
def batches(golden):
    return read(golden / "losses" / "batches.json")


@pytest.mark.parametrize(
    "case",
    cases("losses/expected.json"),
    ids=lambda c: f"{c['official_name']}-{c['params']}",
)
def test_loss_and_gradient_equal_the_official_ones(case, models, batches):
    current, reference = models
    current.zero_grad()
    hyper = {HYPER.get(k, k): v for k, v in case["params"].items()}
    objective = build_objective(resolve(NAMES[case["official_name"]], hyper).settings())
    roles = {role: score(current, batches[role], reference) for role in objective.roles}
    loss = objective(Batch(**roles, pool=True)).mean()
    loss.backward()

    assert loss.item() == pytest.approx(case["loss"], rel=TOLERANCE)
    parameters = dict(current.model.named_parameters())
    norm = torch.stack([p.grad.norm() for p in parameters.values()]).norm()
    assert norm.item() == pytest.approx(case["grad_norm"], rel=TOLERANCE)
    for name, probe in case["grad_probe"].items():
        found = parameters[name].grad.flatten()[: len(probe)].tolist()
        assert found == pytest.approx(probe, rel=1e-5, abs=TOLERANCE * case["grad_norm"])
