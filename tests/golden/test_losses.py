"""Losses and gradients against the official code, on its own micro-batch of four rows."""

import pytest
import torch
from golden_files import cases, read
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy, kl_div, pad
from transformers import AutoConfig, AutoModelForCausalLM
from unlearning.data.encoding import IGNORED
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import RETAIN_TERMS, resolve
from unlearning.methods.sequences import Batch, Sequences, View
from unlearning.methods.terms import Method

TOLERANCE = 1e-6  # the official code takes its token means in float32

# official name -> ours; what follows it; official hyper-parameter -> ours
NAMES = {
    "grad_ascent": "GA",
    "grad_diff": "GA+RT",
    "KL": "GA+KL",
    "idk": "IDK+RT",
    "dpo": "DPO",
    "kto_logsigmoid": "KTO",
    "kto_sigmoid": "KTO-sigmoid",
    "npo": "NPO",
    "simnpo": "SimNPO",
}
RETAIN = {"_grad_diff": "+RT", "_KL": "+KL", "_gdr": "+RT", "": ""}
OPEN_UNLEARNING = {
    "WGA": "WGA",
    "SatImp": "SatImp",
    "UNDIAL": "UNDIAL-OU",
    "CE-U": "CE-U",
    "NPO(open-unlearning)": "NPO",
    "DPO(open-unlearning)": "DPO",
}
MUSE = {"ga": "GA", "npo": "NPO-MUSE", "simnpo": "SimNPO-MUSE"}
MUSE_HYPER = {"npo_coeff": "forget_coeff", "coeff": "retain_coeff"}
HYPER = {"npo_coeff": "forget_coeff", "grad_diff_coeff": "retain_coeff", "KL_coeff": "retain_coeff"}


def ours(official: str, names: dict) -> str:
    """Our name of a released loss."""
    if official in names:
        return names[official]
    suffix = next(suffix for suffix in RETAIN if official.endswith(suffix))
    return names[official.removesuffix(suffix)] + RETAIN[suffix]


def model_of(golden, weights):
    config = AutoConfig.from_pretrained(golden / "losses")
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    model.load_state_dict(load_file(golden / "losses" / weights), strict=False)
    return model.eval()


def score(models, rows, role, objective, columns=None):
    """One role's rows under both models, with what the objective needs of them."""
    ids, labels, mask = (torch.tensor(rows[k]) for k in ("input_ids", "labels", "attention_mask"))
    if columns is not None:  # MUSE: plain text, every token a label
        ids = labels = ids[:, :columns]
        mask = torch.ones_like(ids)
    # the released losses run over padding too: every position of the tensor is a position here
    kind = objective.needs.logits.get(role)
    full = torch.ones_like(ids, dtype=torch.bool)
    if kind == "labels":
        full[:, :-1] = labels[:, 1:] != IGNORED
    if kind in ("labels", "next"):
        full[:, -1] = False
    current, reference = (model(ids, attention_mask=mask).logits for model in models)
    reference = reference.detach()
    row, position = torch.where(labels[:, 1:] != IGNORED)

    def sequences_of(logits):
        logp = -cross_entropy(logits[row, position], labels[row, position + 1], reduction="none")
        return Sequences(logp, row, len(ids))

    sequences = sequences_of(current)
    sequences.reference_nll = sequences_of(reference).nll
    if kind:
        following = pad(labels[:, 1:], (0, 1), value=IGNORED)
        rows = torch.where(full)[0]
        sequences.logits = View(rows, current[full], following[full], reference[full])
    return sequences


@pytest.fixture(scope="module")
def models(golden):
    return model_of(golden, "current.safetensors"), model_of(golden, "reference.safetensors")


@pytest.fixture(scope="module")
def batches(golden):
    return read(golden / "losses" / "batches.json")


def check(objective, case, models, batches, columns=None):
    current, _ = models
    current.zero_grad()
    columns = columns or {}
    batch = Batch(pool=True)
    for role in objective.roles:
        setattr(batch, role, score(models, batches[role], role, objective, columns.get(role)))
    loss = objective.total(objective.rows(batch)).mean()
    loss.backward()

    assert loss.item() == pytest.approx(case["loss"], rel=TOLERANCE)
    parameters = dict(current.named_parameters())
    norm = torch.stack([p.grad.norm() for p in parameters.values()]).norm()
    assert norm.item() == pytest.approx(case["grad_norm"], rel=TOLERANCE)
    for name, probe in case.get("grad_probe", {}).items():
        found = parameters[name].grad.flatten()[: len(probe)].tolist()
        assert found == pytest.approx(probe, rel=1e-5, abs=TOLERANCE * case["grad_norm"])


@pytest.mark.parametrize(
    "case",
    cases("losses/expected.json"),
    ids=lambda c: f"{c['official_name']}-{c['params']}",
)
def test_loss_and_gradient_equal_the_official_ones(case, models, batches):
    hyper = {HYPER.get(k, k): v for k, v in case["params"].items()}
    objective = build_objective(resolve(ours(case["official_name"], NAMES), hyper).settings())
    check(objective, case, models, batches)


@pytest.mark.parametrize(
    "case",
    cases("losses/expected_open_unlearning.json"),
    ids=lambda c: f"{c['name']}-{c['params']}",
)
def test_loss_and_gradient_equal_those_of_open_unlearning(case, models, batches):
    if case["name"] == "KL-retain":
        term = RETAIN_TERMS["KL"]
        settings = Method("KL", term, None, case["params"]).settings()
    else:
        settings = resolve(OPEN_UNLEARNING[case["name"]], case["params"]).settings()
    check(build_objective(settings), case, models, batches)


@pytest.mark.parametrize(
    "case", cases("losses/expected_muse.json"), ids=lambda c: f"{c['official_name']}-{c['params']}"
)
def test_loss_and_gradient_equal_those_of_muse(case, models, batches, golden):
    layout = read(golden / "losses" / "expected_muse.json")
    columns = {"forget": layout["forget_columns"], "retain": layout["retain_columns"]}
    name = ours(case["official_name"], MUSE)
    hyper = {MUSE_HYPER.get(k, k): v for k, v in case["params"].items()}
    objective = build_objective(resolve(name, hyper).settings())
    check(objective, case, models, batches, columns)


def test_kl_of_muse_as_released_equals_that_of_torch_on_raw_logits(models, batches, golden):
    """klr of muse_bench: batchmean of kl_div over logits, on MUSE's columns of the retain batch.

    It is no divergence: here it is negative."""
    columns = read(golden / "losses" / "expected_muse.json")["retain_columns"]
    found = {}
    for name in ("KL-MUSE", "KL"):
        objective = build_objective(Method(name, RETAIN_TERMS[name], None, {}).settings())
        batch = Batch(retain=score(models, batches["retain"], "retain", objective, columns))
        found[name] = objective.total(objective.rows(batch)).mean().item()
    ids = torch.tensor(batches["retain"]["input_ids"])[:, :columns]
    current, reference = (model(ids).logits for model in models)
    expected = kl_div(current, reference, reduction="batchmean", log_target=True).item()
    assert found["KL-MUSE"] == pytest.approx(expected, rel=TOLERANCE)
    assert found["KL-MUSE"] < -1000 < 0 < found["KL"] < 1
