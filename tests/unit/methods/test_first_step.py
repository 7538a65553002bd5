"""A loss that would make a wrong number is refused at its first step, whatever the micro-batch."""

import pytest
import torch
from unlearning.errors import UserError
from unlearning.methods.first_step import check_losses, rows_of
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.own import own_methods
from unlearning.methods.registry import resolve
from unlearning.methods.sequences import Batch, Sequences, View

SHAPE = "must be (B,): one value for each row"

# body of `def loss(batch)` -> parts of the message
WRONG = {
    "a scalar": ("return -batch.token_mean(batch.forget).mean()", ["shape ()", SHAPE]),
    "one value": ("return -batch.token_mean(batch.forget).mean(0, keepdim=True)", ["(1,)", SHAPE]),
    "(B, B)": ("m = batch.token_mean(batch.forget)\n    return m - m[:, None]", ["(2, 2)", SHAPE]),
    "(B, 1)": ("return batch.token_mean(batch.forget)[:, None]", ["(2, 1)", SHAPE]),
    "(B-1,)": ("return batch.token_mean(batch.forget)[1:]", ["shape (1,)", SHAPE]),
    "empty": ("return batch.token_mean(batch.forget)[:0]", ["shape (0,)", SHAPE]),
    "one value a token": ("return batch.forget.logp", ["shape (5,)", SHAPE]),
    "nothing": ("batch.token_mean(batch.forget)", ["returned NoneType", "torch.Tensor"]),
    "a list": ("return [*batch.token_mean(batch.forget)]", ["returned list", "torch.Tensor"]),
    "a number": ("return batch.forget.nll.sum().item()", ["returned float", "torch.Tensor"]),
    "integers": ("return batch.forget.nll.long()", ["dtype torch.int64", "floating point"]),
    "another device": ("return batch.forget.nll.to('meta')", ["on meta", "must be on cpu"]),
    "detached": ("return -batch.forget.nll.detach()", ["without a gradient", "detach()"]),
    "without the model": (
        "import torch\n    return torch.ones(batch.forget.size, requires_grad=True) * 2",
        ["without a gradient", "logp"],
    ),
    "a mean over rows": (
        "m = batch.token_mean(batch.forget)\n    return m.mean().expand(len(m))",
        ["must follow from that row alone", "micro-batch"],
    ),
    "weights over rows": (
        "m = batch.token_mean(batch.forget)\n    return m * m.detach().softmax(0)",
        ["must follow from that row alone"],
    ),
    "a sum over earlier rows": (
        "return batch.token_mean(batch.forget).cumsum(0)",
        ["must follow from that row alone", "row 2"],
    ),
    "the first row as a reference": (
        "m = batch.token_mean(batch.forget)\n    return m - m[0].detach()",
        ["must follow from that row alone", "row 2"],
    ),
    "changes in place": (
        "batch.forget.logp.detach().clamp_(min=-0.5)\n    return batch.forget.nll",
        ["changes the batch in place", "new tensors"],
    ),
    "a gradient lost in place": (
        "p = batch.forget.logp.exp()\n    v = batch.forget.sum_rows(p)\n    p *= 2\n    return v",
        ["gradient cannot be computed"],
    ),
    "random numbers": (
        "import torch\n    return batch.forget.nll * torch.rand(batch.forget.size)",
        ["must follow from that row alone", "random numbers"],
    ),
    "rows it has not": (
        "return batch.token_mean(batch.idk)",
        ["line 2 (return batch.token_mean(batch.idk))", "holds rows of forget", "roles and needs"],
    ),
}


def objective_of(folder, body, **settings) -> Objective:
    """The objective of a loss in a user's file."""
    file = folder / "mine.py"
    file.write_text(f"def loss(batch):\n    {body}\n")
    losses, problems = own_methods({"mine": {"function": f"{file}:loss", **settings}})
    assert problems == []
    return build_objective(resolve("mine", {}, losses).settings())


def sequences(*rows) -> Sequences:
    """Rows of log-probabilities, the first of the graph's tensors."""
    logp = torch.tensor([value for row in rows for value in row], requires_grad=True)
    row = torch.tensor([k for k, values in enumerate(rows) for _ in values])
    return Sequences(logp, row, len(rows))


@pytest.mark.parametrize("body, expected", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_loss_is_named(tmp_path, body, expected):
    batch = Batch(forget=sequences([-1.0, -2.0], [-0.5, -0.1, -0.2]))
    with pytest.raises(UserError) as caught:
        check_losses(objective_of(tmp_path, body), batch)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/mine.py:loss: ")
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize("case", [*list(WRONG)[:6], "nothing", "detached"])
def test_at_a_micro_batch_of_one_row_too(tmp_path, case):
    """There () sums up to the right number, and would not with two rows."""
    body, _ = WRONG[case]
    with pytest.raises(UserError, match="mine.py:loss"):
        check_losses(objective_of(tmp_path, body), Batch(forget=sequences([-1.0, -2.0])))


@pytest.mark.parametrize(
    "body",
    [
        "return -batch.token_mean(batch.forget)",
        "return (0.01 - batch.forget.nll).relu()",  # no slope here: the gradient is 0, not absent
        "return batch.forget.nll * float('nan')",  # a collapse is a result
        "return batch.forget.nll.double()",
        "return batch.token_mean(batch.forget).detach() * batch.forget.nll",
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_loss_of_rows_is_taken(tmp_path, body, rows):
    batch = Batch(forget=sequences(*[[-1.0, -2.0], [-0.5], [-3.0]][:rows]))
    check_losses(objective_of(tmp_path, body), batch)


@pytest.mark.parametrize(
    "code, expected",
    [
        ("def loss(batch, scale=1.0, /):\n    return batch.forget.nll\n", "its call: TypeError"),
        ("def loss(batch):\n    return batch.forget.nll[7]\n", "line 2 .*IndexError"),
    ],
)
def test_an_error_of_a_later_step_is_named_too(tmp_path, code, expected):
    file = tmp_path / "mine.py"
    file.write_text(code)
    losses, problems = own_methods({"mine": {"function": f"{file}:loss"}})
    assert problems == []
    objective = build_objective(resolve("mine", {}, losses).settings())
    with pytest.raises(UserError, match=f"mine.py:loss: {expected}"):
        objective.rows(Batch(forget=sequences([-1.0])))


def test_rows_take_all_that_a_loss_sees_of_them():
    forget = sequences([-1.0, -2.0], [-0.5], [-4.0])
    forget.reference_nll = torch.tensor([1.0, 2.0, 3.0])
    values = torch.arange(12.0).reshape(6, 2)
    forget.logits = View(
        torch.tensor([0, 0, 0, 1, 1, 2]), values, torch.tensor([7, 8, 9, 5, 6, 4]), 10 * values
    )
    part = rows_of(Batch(forget=forget, retain=sequences([-9.0], [-8.0], [-7.0])), [2, 0])
    assert part.forget.logp.tolist() == [-4.0, -1.0, -2.0]
    assert part.forget.row.tolist() == [0, 1, 1] and part.forget.size == 2
    assert part.forget.reference_nll.tolist() == [3.0, 1.0]
    assert part.forget.logits.row.tolist() == [0, 1, 1, 1]
    assert part.forget.logits.values.tolist() == [[10, 11], [0, 1], [2, 3], [4, 5]]
    assert part.forget.logits.labels.tolist() == [4, 7, 8, 9]
    assert part.forget.logits.teacher[0].tolist() == [100, 110]
    assert part.retain.nll.tolist() == [7.0, 9.0] and part.idk is None


def test_a_file_that_cannot_be_loaded_is_named_with_its_line(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("SCALE = 1 / 0\n\ndef loss(batch):\n    return batch.forget.nll\n")
    losses, _ = own_methods({"mine": {"function": f"{file}:loss"}})
    with pytest.raises(UserError, match=r"mine\.py: line 1 .*ZeroDivisionError"):
        build_objective(resolve("mine", {}, losses).settings())


def test_a_data_class_in_the_file(tmp_path):
    """It looks up its module, so the module has to be registered."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Scale:\n    by: float = 2.0\n"
        "def loss(batch):\n    return Scale().by * batch.forget.nll\n"
    )
    losses, _ = own_methods({"mine": {"function": f"{file}:loss"}})
    objective = build_objective(resolve("mine", {}, losses).settings())
    assert objective.rows(Batch(forget=sequences([-1.0], [-2.0])))[0].tolist() == [2.0, 4.0]
