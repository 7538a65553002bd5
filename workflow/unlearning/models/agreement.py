"""Decide whether a model may be run in the fast ways, by comparing them with transformers' plain
forward pass.

Packing several sequences into a row, padding rows to one length and generating answers in batches
with a cache are right for most model families and silently wrong for some (sliding windows,
recurrence, positions or masks of their own). So each process compares a few of its rows with plain
passes over one sequence, once for each architecture and before it relies on the fast way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, distributed, nn

from unlearning.data.encoding import Example
from unlearning.errors import UserError
from unlearning.models.scorer import PACKED, PADDED, PLAIN

COMPARED = 32  # last tokens of a sequence whose logits are compared: windows show at the end
# How far a layout's logits may be from those of the plain pass, as a share of their spread over
# the vocabulary. Over the families of docs/models.md, rounding makes 3e-7 to 2e-5 in float32 and a
# wrong mask or position 2e-3 to 2, so where the weights are float32, passes are compared in it,
# whatever the run computes in. In bfloat16 rounding makes 6e-3 (4 layers) to 0.3 (30 layers,
# fine-tuned), so there it is measured for each model (nudged()).
ROUNDING, ROUNDING_HALF = 1e-4, 0.03
NOISE = 3  # packing may differ by this many times what padding, or a nudge, makes by rounding
# If padding differs by more, it is a fault and not rounding. Experts' routers that tie in bfloat16
# make 0.1.
WRONG, WRONG_HALF = 1e-3, 0.5
# What has been compared: (comparison, class, architecture, device, 16 bits) -> tokens of the
# longest sequences that agreed, or 0 where they differed
_AGREED: dict[tuple[str, ...], int] = {}
_LOGGED: set[tuple[str, str]] = set()


def layout_of(score: Callable, model, examples: list[Example], use: str = "scoring") -> str:
    """PACKED where packed rows of `model` score as plain ones do, else PADDED, with a line in the
    log.

    score: the model's Scorer, or its wrapper for several processes. All of these must then call
    this function, and must have compared the same rows before under the same `use`, or some would
    wait for the others' passes. examples: the rows of the run, of which the longest is compared.
    UserError, with the model's family, if padded rows do not score as plain ones either.
    """
    if not examples:
        return PADDED
    longest = max(len(example.ids) for example in examples)
    packed = agrees(use, model, longest, lambda: _packed_agrees(score, model, probes(examples)))
    return PACKED if packed else PADDED


def agrees(comparison: str, model, tokens: int, compare: Callable[[], bool]) -> bool:
    """The remembered outcome of compare() for models of this architecture and sequences of up to
    `tokens` tokens. Longer sequences are compared again, unless shorter ones already differed."""
    # all keys of the config: a sliding window or a scale may be all that tells two models apart
    architecture = model.config.to_json_string(use_diff=False)
    device = next(model.parameters()).device.type
    half = str(_has_half_weights(model))
    key = (comparison, type(model).__name__, architecture, device, half)
    if key not in _AGREED or 0 < _AGREED[key] < tokens:
        _AGREED[key] = tokens if compare() else 0
    return _AGREED[key] > 0


def probes(examples: list[Example]) -> list[Example]:
    """Three rows to compare: the one of median length, its prompt with another answer, and the
    longest one. The first two share a prompt, which packing computes once for both."""
    by_length = sorted(examples, key=lambda example: len(example.ids))
    middle, longest = by_length[len(by_length) // 2], by_length[-1]
    answer = longest.ids[-len(middle.ids[middle.start :]) :]
    return [middle, Example(middle.ids[: middle.start] + answer, middle.start), longest]


def _packed_agrees(score: Callable, model, rows: list[Example]) -> bool:
    """Whether packed rows have the logits of plain passes; UserError if padded rows have not."""
    # the last positions of each row whose next token is a label
    spans = []
    for index, row in enumerate(rows):
        end = len(row.ids) - 1
        spans.append((index, max(row.start - 1, end - COMPARED), end))
    logits = partial(_logits, score, model, rows, spans)
    plain, problem = logits(PLAIN)
    if plain is None:
        raise UserError(f"{family(model)}: transformers' own forward pass fails. {problem}")
    if not plain.isfinite().all():
        log_once(model, "rows are not packed", "logits are not finite")
        return False
    # float32 has a bound that holds for every model; 16 bits round the more the deeper a model is
    noise = 0.0
    if _has_half_weights(model):
        with nudged(model):
            noise = distance(logits(PLAIN)[0], plain)

    # there is no layout to fall back on where padding is wrong
    padded, problem = logits(PADDED)
    padding_difference = distance(padded, plain)
    wrong = max(WRONG_HALF, NOISE * noise) if _has_half_weights(model) else WRONG
    if not padding_difference <= wrong:  # NaN is no agreement either
        raise UserError(
            f"{family(model)}: logits differ from those of transformers' own forward pass by "
            f"{padding_difference:.1g} of their spread once a row is padded at its end. "
            f"{problem}\nSuch a model would be trained and evaluated wrongly here. Choose a base "
            "model of a family that docs/models.md lists as packed or unpacked"
        )

    packed, problem = logits(PACKED)
    allowed = max(rounding_error(model), NOISE * max(padding_difference, noise))
    difference = distance(packed, plain)
    reason = ""
    if not difference <= allowed:
        reason = f"logits of packed rows differ by {difference:.1g} of their spread from those of "
        reason += f"one row alone, allowed: {allowed:.1g}"
    elif torch.is_autocast_enabled(plain.device.type) and not _has_half_weights(model):
        # Autocast may change the mask's type, too, which passes in float32 do not show.
        packed, problem = _logits(score, model, rows, spans, PACKED, exact=False)
        difference = distance(packed, plain)
        if not difference <= WRONG_HALF:
            reason = f"under autocast their logits differ by {difference:.1g} of their spread"
    if reason:
        log_once(model, "rows are not packed", f"{reason}; {problem}" if problem else reason)
    return not reason


@torch.no_grad()
def _logits(
    score: Callable,
    model,
    rows: list[Example],
    spans: list[tuple[int, int, int]],
    layout: str,
    exact: bool = True,
) -> tuple[Tensor | None, str]:
    """Logits (P, V) at the spans in a layout, or None and the error: a model may raise anything for
    masks and positions that its family does not expect. exact: without autocast where the weights
    are float32."""
    training = model.training
    model.eval()
    exact = exact and not _has_half_weights(model)
    try:
        return score(rows, full=spans, layout=layout, exact=exact)["logits"], ""
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        model.train(training)


@contextmanager
def nudged(model) -> Iterator[None]:
    """Within, all embeddings differ by up to their last bit, at random, the same in each pass.

    All later roundings then fall another way: a pass differs from one without by what rounding
    alone makes. Passes in two layouts need not show it, as the same kernel may compute both.
    """

    def nudge(module, inputs, output: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        steps = 2 * torch.rand(output.shape, generator=generator).to(output) - 1
        return output * (1 + torch.finfo(output.dtype).eps * steps)

    modules = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    handles = [module.register_forward_hook(nudge) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def distance(values: Tensor | None, plain: Tensor) -> float:
    """The largest distance of logits (P, V) from the plain pass's, in parts of that one's
    spread over the vocabulary; infinite without logits, NaN if one is NaN."""
    if values is None or values.shape != plain.shape:
        return torch.inf
    spread = (plain - plain.mean(-1, keepdim=True)).norm(dim=-1)
    distances = (values - plain).norm(dim=-1) / spread.clamp(min=torch.finfo(plain.dtype).tiny)
    return float(distances.max())


def _has_half_weights(model) -> bool:
    types = {parameter.dtype for parameter in model.parameters()}
    return not types.isdisjoint((torch.bfloat16, torch.float16))


def rounding_error(model) -> float:
    """The distance() between logits of the model that rounding alone may make."""
    return ROUNDING_HALF if _has_half_weights(model) else ROUNDING


def family(model) -> str:
    """The model's family, for messages."""
    return f"model family {model.config.model_type} ({type(model).__name__})"


def log_once(model, consequence: str, reason: str) -> None:
    """Print a consequence for the model's family: once, and by one process only."""
    if is_main_process() and (family(model), consequence) not in _LOGGED:
        _LOGGED.add((family(model), consequence))
        print(f"{family(model)}: {consequence} ({reason})", flush=True)


def is_main_process() -> bool:
    """Whether this process is the only one, or the one that prints."""
    return not distributed.is_initialized() or distributed.get_rank() == 0
