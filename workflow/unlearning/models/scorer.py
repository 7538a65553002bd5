"""Log-probabilities of labels by a model's own forward pass, its head at needed positions only."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unlearning.data.encoding import Example
from unlearning.data.packing import Packed, Places, Span, pack
from unlearning.models.log_probability import label_log_probabilities, log_distribution

POSITIONS = 512  # described at once: their distributions are a small part of the logits at hand
# How sequences are laid out for a forward pass. packed: several in a row, prompts in common once.
# padded: one in a row, filled up on the right. plain: one in a pass, as transformers documents it.
PACKED, PADDED, PLAIN = "packed", "padded", "plain"


class Scorer(nn.Module):
    """A causal language model whose forward pass returns label log-probabilities.

    Being a module, it is what DDP and FSDP wrap, so that gradients synchronise as usual. layout:
    PACKED or PADDED; `models.agreement` says which of them the model allows.
    """

    def __init__(self, model, layout: str = PACKED):
        super().__init__()
        self.model, self.layout = model, layout

    def forward(
        self,
        examples: list[Example],
        detail: Tensor | None = None,
        full: list[Span] | None = None,
        layer: int | None = None,
        answers: list[Span] | None = None,
        layout: str | None = None,
        exact: bool = False,
    ) -> dict[str, Tensor]:
        """Score S sequences, N labels in all.

        detail: (S,) bool, sequences whose labels are described. full: spans of P tokens whose
        next-token logits are returned whole. layer: index of the layer whose output is returned at
        the A tokens of the spans `answers`. layout: in place of the scorer's own. exact: compute in
        the weights' own type, whatever autocast says.
        Returns logp (N,) and row (N,) of the labels, sequence by sequence; with `full`, logits
        (P, V); with `layer`, activations (A, H); with `detail`, match, mu and sigma (N,) as in
        describe(), zero in the other sequences.
        """
        layout = layout or self.layout
        device = next(self.parameters()).device
        if exact:  # the class's own forward: accelerate gives an instance's autocast again
            with torch.autocast(device.type, enabled=False):
                return Scorer.forward(self, examples, detail, full, layer, answers, layout)
        packed = pack(examples, shared=layout == PACKED)
        labelled = packed.labels()
        labels, index = labelled.labels.to(device), labelled.index.to(device)
        row = labelled.sequence.to(device)
        places = [labelled.before]
        if full is not None:
            places.append(packed.places(full))
        run = self._plain if layout == PLAIN else self._together
        passes = run(packed, places, device, layer is not None)
        logits, hidden_states = next(passes)
        scores = {"logp": label_log_probabilities(logits, index, labels), "row": row}
        if detail is not None:
            scores |= describe(logits, index, labels, detail.to(device)[row])
        del logits  # before the next ones, which may be as large
        if full is not None:
            scores["logits"], _ = next(passes)
        if layer is not None:
            assert hidden_states is not None and answers is not None, "which tokens of which pass?"
            # entry 0 is the embeddings' output; the last entry is normalised, so no layer's own
            assert 0 <= layer < len(hidden_states) - 2, f"no layer {layer} below the last"
            values = hidden_states[layer + 1][packed.places(answers)]
            scores["activations"] = at_least_float32(values)
        return scores

    def _together(
        self, packed: Packed, places: list[Places], device: torch.device, hidden: bool
    ) -> Iterator[tuple[Tensor, tuple[Tensor, ...] | None]]:
        """Next-token logits (N, V) at each of `places` in turn, from one pass over all rows, with
        what each layer puts out, (B, T, H), if `hidden`."""
        inputs = {"input_ids": packed.ids.to(device)}
        if packed.mask is not None:  # else the model's own positions and mask are right
            inputs["position_ids"] = packed.positions.to(device)
            inputs["attention_mask"] = _numbers(packed.mask.to(device), self.model.dtype)
        inputs |= {"use_cache": False, "output_hidden_states": hidden}
        bodies: list = []  # what the layers below the head put out
        body = self.model.base_model
        with (
            _head_at(self.model, places[0]),
            body.register_forward_hook(lambda *call: bodies.append(call[-1])),
        ):
            output = self.model(**inputs)
        hidden_states = output.hidden_states if hidden else None
        logits = at_least_float32(output.logits)
        del output
        yield logits, hidden_states
        del logits
        for further in places[1:]:  # apart: as one matrix all logits would be held twice
            with _head_at(self.model, further), _body_gives(self.model, bodies):
                logits = at_least_float32(self.model(**inputs).logits)
            yield logits, hidden_states

    def _plain(
        self, packed: Packed, places: list[Places], device: torch.device, hidden: bool
    ) -> Iterator[tuple[Tensor, None]]:
        """The logits of _together() from a pass for each row, which is one sequence; no layer's
        output."""
        assert not hidden
        rows = [torch.tensor([example.ids], device=device) for example in packed.examples]
        passes = [self.model(input_ids=ids, use_cache=False).logits[0] for ids in rows]
        for index, columns in places:
            positions = zip(index.tolist(), columns.tolist(), strict=True)
            logits = torch.stack([passes[row][column] for row, column in positions])
            yield at_least_float32(logits), None


def _head_at(model, places: Places) -> RemovableHandle:
    """Within, the model's head sees the N places (N, H) of its input (B, T, H) alone.

    What the model does to its logits afterwards, caps and scales, it does to those of the places.
    """
    head = model.get_output_embeddings()
    return head.register_forward_pre_hook(lambda module, inputs: (inputs[0][places],))


@contextmanager
def _body_gives(model, bodies: list) -> Iterator[None]:
    """Within, the layers below the head give what they gave before and compute nothing.

    A family whose head does not stand on its base model, so that `bodies` is empty or holds the
    outputs of the model itself, computes once more.
    """
    body = model.base_model
    if not bodies or body is model:
        yield
        return
    body.forward = lambda *args, **kwargs: bodies[0]
    try:
        yield
    finally:
        del body.forward


def _numbers(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as numbers that are added to attention scores: models that compute attention
    themselves would add bool ones as 0 and 1."""
    hidden = torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, hidden)


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision is too coarse for a softmax or a squared distance; float64 stays."""
    return values if values.dtype == torch.float64 else values.float()


def describe(logits: Tensor, index: Tensor, labels: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """What logits (U, V) say of the N labels in `mask` (N,), each predicted by those at `index`.

    match: whether the label is the most likely token. mu, sigma: mean and standard deviation of
    log p over the vocabulary, weighted by p; the variance is at least 1e-6 (min-k++, as in
    open-unlearning).
    """
    described = {key: logits.new_zeros(len(labels)) for key in ("match", "mu", "sigma")}
    for chunk in torch.where(mask)[0].split(POSITIONS):
        logp = log_distribution(logits[index[chunk]])
        p = logp.exp()
        mu = (p * logp).sum(-1)
        variance = (p * logp.square()).sum(-1) - mu.square()
        described["match"][chunk] = (logp.argmax(-1) == labels[chunk]).to(logp.dtype)
        described["mu"][chunk] = mu
        described["sigma"][chunk] = variance.clamp(min=1e-6).sqrt()
    return described
