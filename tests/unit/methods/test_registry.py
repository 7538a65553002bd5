"""The registry names functions that exist, and losses follow their formulas."""

import ast
import math

import pytest
import torch
import yaml
from folders import ROOT
from unlearning.methods.objective import load_function
from unlearning.methods.preference import dpo, npo, simnpo
from unlearning.methods.registry import FORGET_LOSSES, RETAIN_TERMS, names, resolve, terms
from unlearning.methods.sequences import Batch, Sequences


def sequences(*rows, reference=None):
    """Rows given as lists of log-probabilities."""
    logp = torch.tensor([value for row in rows for value in row])
    row = torch.tensor([i for i, values in enumerate(rows) for _ in values])
    reference_nll = None if reference is None else torch.tensor(reference)
    return Sequences(logp, row, len(rows), reference_nll)


@pytest.mark.parametrize("term", [*FORGET_LOSSES.values(), *RETAIN_TERMS.values()])
def test_every_entry_is_a_function_with_formula_paper_and_reference(term):
    docstring = load_function(term.function).__doc__
    assert docstring and "Returns (B,)" in docstring
    assert "Paper:" in docstring and "Reference:" in docstring


def test_composition_multiplies_no_classes():
    assert {"NPO", "NPO+RT", "NPO+KL", "SimNPO+RT", "GA+KL", "DPO+RT", "IDK+RT"} <= set(names())
    method = resolve("SimNPO+RT", {"beta": 4.5, "forget_coeff": 0.125})
    assert method.hyper == {"beta": 4.5, "gamma": 0.0, "forget_coeff": 0.125, "retain_coeff": 1.0}
    with pytest.raises(KeyError):
        resolve("IDK+RT+KL", {})


def test_npo_and_simnpo_by_hand():
    forget = sequences([-1.0, -2.0], [-0.5], reference=[1.0, 0.5])
    # row 0: L = 3, L_ref = 1; row 1: L = L_ref, so log sigma(0) = -ln 2
    loss = npo(Batch(forget=forget), beta=0.5)
    sigma = 1 / (1 + math.exp(-0.5 * 2))
    assert loss.tolist() == pytest.approx([-4 * math.log(sigma), 4 * math.log(2)])
    loss = simnpo(Batch(forget=forget), beta=2.0, gamma=0.5)  # L/|y| = 1.5 and 0.5
    assert loss.tolist() == pytest.approx([math.log(1 + math.exp(-2.0)), math.log(2)])


def test_dpo_prefers_ignorance():
    unsure = Batch(
        forget=sequences([-5.0], reference=[1.0]), idk=sequences([-1.0], reference=[1.0])
    )
    sure = Batch(forget=sequences([-1.0], reference=[1.0]), idk=sequences([-5.0], reference=[1.0]))
    assert dpo(unsure, beta=0.1).item() < dpo(sure, beta=0.1).item()


def test_npo_tends_to_gradient_ascent_for_small_beta():
    logp = torch.tensor([-1.0, -2.0], requires_grad=True)
    forget = Sequences(logp, torch.tensor([0, 0]), 1, reference_nll=torch.tensor([1.0]))
    npo(Batch(forget=forget), beta=1e-4).sum().backward()
    assert logp.grad.tolist() == pytest.approx([1.0, 1.0], rel=1e-3)


def test_no_branch_on_a_methods_name_outside_the_registry():
    package = ROOT / "workflow" / "unlearning"
    for path in package.rglob("*.py"):
        if path.name == "registry.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                compared = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                assert not set(compared) & set(names()), f"{path}, line {node.lineno}"


def test_every_method_stands_in_the_docs_and_in_the_experiment_of_all_methods():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    cells = {name for line in text.splitlines() for name in line.split("|")[1:2]}
    listed = {name.strip() for cell in cells for name in cell.split(",")}
    assert {*FORGET_LOSSES, *RETAIN_TERMS} <= listed
    file = ROOT / "config" / "experiments" / "mini-all-methods.yaml"
    run = yaml.safe_load(file.read_text(encoding="utf-8"))["methods"]
    forget = {terms(name)[0].function for name in run}
    retain = {term.function for name in run if (term := terms(name)[1])}
    assert forget >= {term.function for term in FORGET_LOSSES.values()}
    assert retain == {term.function for term in RETAIN_TERMS.values()}
