"""A method in a file of the user's: found, checked before any job, run like the registry's."""

import pytest
import torch
from finished import micro_config
from refusals import problems
from unlearning.fingerprint import fingerprint
from unlearning.methods.objective import build_objective
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.registry import FORGET_LOSSES, names, position, resolve
from unlearning.methods.sequences import Batch, Sequences

SOURCE = '''
from torch import relu

def margin(batch, floor: float = 2.0, *, weight):
    """Ascent until a row's mean loss reaches the floor."""
    return weight * relu(floor - batch.token_mean(batch.forget))
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_an_own_method_composes_and_runs(file):
    methods = {"margin+RT": {"function": f"{file}:margin", "weight": 3.0}}
    losses, problems = own_methods(methods)
    assert problems == []
    assert {"margin", "margin+RT", "margin+KL"} <= set(names(losses))
    assert position("margin", losses) > position("PDU+RT", losses)
    assert "margin" not in FORGET_LOSSES
    method = resolve("margin+RT", {"weight": 3.0}, losses)
    assert method.hyper == {"floor": 2.0, "weight": 3.0, "forget_coeff": 1.0, "retain_coeff": 1.0}
    objective = build_objective(method.settings())
    assert objective.roles == ["forget", "retain"]
    rows = Sequences(torch.tensor([-1.0, -0.5]), torch.tensor([0, 1]), 2)
    forget_loss, _ = objective.rows(Batch(forget=rows, retain=rows))
    assert forget_loss.tolist() == pytest.approx([3.0, 4.5])


def test_variants_of_an_own_method_one_by_one(file):
    """The blocks of a list say the function once or each; another one is refused."""
    blocks = [{"function": f"{file}:margin", "weight": 3.0}, {"weight": 2.0, "floor": 1.0}]
    losses, problems = own_methods({"margin": blocks})
    assert problems == [] and "margin" in losses
    assert hyper_block(blocks) == [{"weight": 3.0}, {"weight": 2.0, "floor": 1.0}]
    blocks[1]["function"] = f"{file}:none"
    _, (problem,) = own_methods({"margin": blocks})
    assert "no function 'none'" in problem
    blocks[1] |= {"function": f"{file}:margin", "roles": ["retain"]}
    _, (problem,) = own_methods({"margin": blocks})
    assert "another function, roles or needs" in problem


def test_needs_and_roles_are_handed_on(file):
    block = {"function": f"{file}:margin", "roles": ["forget", "idk"], "needs": ["reference"]}
    losses, problems = own_methods({"margin": block})
    assert problems == []
    settings = resolve("margin", {"weight": 1.0}, losses).settings()
    assert settings["roles"] == ["forget", "idk"]
    assert settings["needs"]["reference"] and not settings["needs"]["logits"]
    losses, _ = own_methods({"margin": {"function": f"{file}:margin", "needs": ["teacher"]}})
    needs = resolve("margin", {"weight": 1.0}, losses).settings()["needs"]
    assert needs["logits"] == {"forget": "labels"} and needs["teacher"] == ["forget"]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("margin", {"function": "nowhere.py:loss"}, "no file 'nowhere.py'"),
        ("margin", {"function": "package.module:loss"}, "must be path/to/file.py:name"),
        ("margin", {"function": 3}, "must be path/to/file.py:name, found 3"),
        ("margin", {"roles": ["forgot"]}, "found 'forgot'"),
        ("margin", {"roles": "forget"}, "a list of forget, idk, alternative, retain"),
        ("margin", {"roles": []}, "a loss needs rows of one role at least"),
        ("margin", {"roles": [["forget"]]}, "found ['forget']"),
        ("margin", {"function": []}, "must be path/to/file.py:name, found []"),
        ("méthode", {}, "called by letters"),
        ("margin\n", {}, "called by letters"),
        ("target", {}, "names a model without unlearning"),
        ("margin", {"needs": ["logit"]}, "a list of reference, logits, teacher; found 'logit'"),
        ("margin+RP", {}, "NAME or NAME+RT|KL|KL-answer|KL-MUSE|ACT"),
        ("my method", {}, "called by letters"),
        ("NPO", {}, "'NPO' is a method of the registry"),
    ],
)
def test_every_problem_is_named(file, name, change, problem):
    _, problems = own_methods({name: {"function": f"{file}:margin", **change}})
    assert any(problem in line for line in problems), problems
    assert all(line.startswith(f"methods.{name}") for line in problems)


def test_problems_of_the_file_are_named(file):
    _, (problem,) = own_methods({"a": {"function": f"{file}:margins"}})
    assert "has no function 'margins'; it defines margin" in problem
    file.write_text("def margin(:\n")
    _, (problem,) = own_methods({"a": {"function": f"{file}:margin"}})
    assert f"{file}, line 1" in problem
    file.write_bytes(b"# caf\xe9\ndef margin(batch): ...\n")
    _, (problem,) = own_methods({"a": {"function": f"{file}:margin"}})
    assert "cannot be read as Python" in problem
    file.write_bytes(b"\xef\xbb\xbfdef margin(batch): ...\n")  # as an editor of Windows saves it
    assert own_methods({"a": {"function": f"{file}:margin"}})[1] == []
    assert fingerprint(f"{file}:margin")
    file.write_text("def margin(batch, lr=1.0, roles=2, beta=1): ...\n")
    _, (problem,) = own_methods({"a": {"function": f"{file}:margin"}})
    assert "called lr, roles, which has a meaning of its own" in problem and "rename" in problem
    file.write_text("def margin():\n    pass\ndef other(batch):\n    pass\n")
    _, (problem,) = own_methods({"a": {"function": f"{file}:margin"}})
    assert "must take the batch first" in problem
    methods = {"a": {"function": f"{file}:other"}, "a+RT": {"function": f"{file}:other"}}
    assert own_methods(methods)[1] == []
    methods["a+RT"]["needs"] = ["reference"]
    assert "say them once" in own_methods(methods)[1][0]


def test_a_run_whose_folder_no_file_system_takes_is_named(tmp_path):
    file = tmp_path / "mine.py"
    names = [f"a_long_name_of_a_hyper_parameter_{number}" for number in range(8)]
    file.write_text(f"def loss(batch, {', '.join(f'{name}=1' for name in names)}):\n    ...\n")
    block = {"function": f"{file}:loss", **dict.fromkeys(names[:7], 2)}
    methods = {"mine": block, "m" * 251: {"function": f"{file}:loss"}}
    config = micro_config("tofu") | {"methods": methods, "relearn": {"methods": []}}
    lines = [line for line in problems(config) if "bytes" in line]
    assert {line.partition(":")[0] for line in lines} == {"methods.mine", "methods." + "m" * 251}
