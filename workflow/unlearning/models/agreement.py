"""Whether a model may be run in the fast ways: compared with transformers' own forward pass.

Several sequences in a row, sequences filled up to one length, answers generated side by side with
a cache: each is right for most model families and silently wrong for some (windows, recurrence,
positions or masks of their own). So each process compares, once for each architecture and before
it relies on them, a few of the rows that it will run with plain forward passes of one sequence.
"""

from collections.abc import Callable

import torch
from torch import Tensor, distributed

from unlearning.data.encoding import Example
from unlearning.errors import UserError
from unlearning.models.scorer import PACKED, PADDED, PLAIN

COMPARED = 32  # last tokens of a sequence whose logits are compared: windows show at the end
# How far logits may lie from the plain pass's, in parts of their spread over the vocabulary. Over
# the families of docs/models.md rounding makes 3e-7 to 2e-5 in float32, a wrong mask or position
# 2e-3 to 2. In bfloat16 rounding makes 6e-3 (4 layers) to 6e-2 (32), as much in padded rows as in
# packed ones.
ROUNDING, ROUNDING_HALF = 1e-4, 0.03
NOISE = 3  # packing may round this many times as far as padding does
# Padding beyond this is wrong rather than rounded: routers' ties in bfloat16 make 0.1.
WRONG, WRONG_HALF = 1e-3, 0.5
# Comparison, architecture and number types -> tokens of the longest sequence for which the fast
# way has held; 0 where it did not.
_HELD: dict[tuple[str, ...], int] = {}
_SAID: set[tuple[str, str]] = set()


def layout_of(score: Callable, model, examples: list[Example], use: str = "scoring") -> str:
    """PACKED where packed rows of `model` score as plain ones do, else PADDED, said in the log.

    score: its Scorer, or what wraps it for several processes, all of which then have to take part:
    under the same `use` they must all have compared the same rows before. examples: the rows of the
    run; one as long as the longest of them is compared. UserError, with the model's family, if
    padded rows do not score as in transformers' own forward pass either.
    """
    if not examples:
        return PADDED
    longest = max(len(example.ids) for example in examples)
    packed = holds(use, model, longest, lambda: _packed_holds(score, model, probes(examples)))
    return PACKED if packed else PADDED


def holds(comparison: str, model, tokens: int, compare: Callable[[], bool]) -> bool:
    """The outcome of compare() for models of this architecture and sequences of up to `tokens`
    tokens. It is taken once, and again for longer sequences as long as it has been true."""
    architecture = model.config.to_json_string(use_diff=False)
    device = next(model.parameters()).device.type
    key = (comparison, type(model).__name__, architecture, device, str(_is_half(model)))
    if key not in _HELD or 0 < _HELD[key] < tokens:
        _HELD[key] = tokens if compare() else 0
    return _HELD[key] > 0


def probes(examples: list[Example]) -> list[Example]:
    """A row of middling length, the same prompt with another answer, and the longest row."""
    by_length = sorted(examples, key=lambda example: len(example.ids))
    middle, longest = by_length[len(by_length) // 2], by_length[-1]
    answer = longest.ids[-len(middle.ids[middle.start :]) :]
    return [middle, Example(middle.ids[: middle.start] + answer, middle.start), longest]


def _packed_holds(score: Callable, model, rows: list[Example]) -> bool:
    spans = []
    for index, row in enumerate(rows):
        end = len(row.ids) - 1
        spans.append((index, max(row.start - 1, end - COMPARED), end))
    plain, problem = _logits(score, model, rows, spans, PLAIN)
    if plain is None:
        raise UserError(f"{family(model)}: transformers' own forward pass fails. {problem}")
    if not plain.isfinite().all():
        say(model, "rows are not packed", "logits are not finite")
        return False
    half = _is_half(model)
    padded, problem = _logits(score, model, rows, spans, PADDED)
    apart = distance(padded, plain)
    if not apart <= (WRONG_HALF if half else WRONG):
        raise UserError(
            f"{family(model)}: logits differ from those of transformers' own forward pass by "
            f"{apart:.1g} of their spread once a row is filled up at its end. {problem}\nSuch a "
            "model would be trained and evaluated wrongly here. Choose a base model of a family "
            "that docs/models.md lists as packed or unpacked"
        )
    packed, problem = _logits(score, model, rows, spans, PACKED)
    allowed = max(ROUNDING_HALF if half else ROUNDING, NOISE * apart)
    apart = distance(packed, plain)
    if not apart <= allowed:
        reason = f"logits of packed rows differ by {apart:.1g} of their spread from those of one "
        reason += f"row alone, allowed: {allowed:.1g}"
        say(model, "rows are not packed", f"{reason}; {problem}" if problem else reason)
    return apart <= allowed


@torch.no_grad()
def _logits(
    score: Callable, model, rows: list[Example], spans: list[tuple[int, int, int]], layout: str
) -> tuple[Tensor | None, str]:
    """(P, V) logits in that layout, or None and what was raised: a model that is handed masks and
    positions which its family does not expect may raise anything."""
    training = model.training
    model.eval()
    try:
        return score(rows, full=spans, layout=layout)["logits"], ""
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        model.train(training)


def distance(values: Tensor | None, plain: Tensor) -> float:
    """The largest distance of logits (P, V) from the plain pass's, in parts of the latter's spread
    over the vocabulary; infinite where there are none, NaN where they are no numbers."""
    if values is None or values.shape != plain.shape:
        return torch.inf
    spread = (plain - plain.mean(-1, keepdim=True)).norm(dim=-1)
    apart = (values - plain).norm(dim=-1) / spread.clamp(min=torch.finfo(plain.dtype).tiny)
    return float(apart.max())


def _is_half(model) -> bool:
    """Whether the model computes in 16 bits, by its weights or under autocast."""
    device = next(model.parameters()).device.type
    types = {parameter.dtype for parameter in model.parameters()}
    return torch.is_autocast_enabled(device) or not types.isdisjoint(
        (torch.bfloat16, torch.float16)
    )


def rounding(model) -> float:
    """How far logits of the model may lie apart by rounding alone, in parts of their spread."""
    return ROUNDING_HALF if _is_half(model) else ROUNDING


def family(model) -> str:
    """The model's family in words, for messages."""
    return f"model family {model.config.model_type} ({type(model).__name__})"


def say(model, consequence: str, reason: str) -> None:
    """Write what follows for a family into the stage's log: once, and once for all processes."""
    first = not distributed.is_initialized() or distributed.get_rank() == 0
    if first and (family(model), consequence) not in _SAID:
        _SAID.add((family(model), consequence))
        print(f"{family(model)}: {consequence} ({reason})", flush=True)
