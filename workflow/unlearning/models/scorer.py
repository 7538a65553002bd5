"""Log-probabilities of labels from a model's own forward pass.

The model's head (hidden states to logits over the vocabulary) is applied only at positions whose
logits are needed: logits of every position would take most of the memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from unlearning.data.encoding import Example
from unlearning.data.packing import Packed, Places, Span, pack
from unlearning.models.log_probability import label_log_probabilities, log_distribution

POSITIONS = 512  # described at once, so that their distributions stay small beside the logits
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
        the A tokens of the spans `answers`. layout: replaces the scorer's own for this call. exact:
        compute in the weights' own type, whatever autocast says.

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
        # Logits come one by one: those of the labels are freed before the whole ones are computed,
        # which may be as large.
        run = self._plain if layout == PLAIN else self._together
        logits_of_places = run(packed, places, device, layer is not None)
        logits, hidden_states = next(logits_of_places)
        scores = {"logp": label_log_probabilities(logits, index, labels), "row": row}
        if detail is not None:
            scores |= describe(logits, index, labels, detail.to(device)[row])
        del logits
        if full is not None:
            scores["logits"], _ = next(logits_of_places)
        if layer is not None:
            assert hidden_states is not None and answers is not None, "layer needs answers"
            # Entry 0 is the embeddings' output, so layer k is entry k + 1. The last entry has been
            # normalised: it is not the last layer's output.
            assert 0 <= layer < len(hidden_states) - 2, f"no layer {layer} below the last"
            values = hidden_states[layer + 1][packed.places(answers)]
            scores["activations"] = at_least_float32(values)
        return scores

    # An iterator, so that a caller frees the logits of some places before the next are computed.
    def _together(
        self, packed: Packed, places: list[Places], device: torch.device, hidden: bool
    ) -> Iterator[tuple[Tensor, tuple[Tensor, ...] | None]]:
        """Next-token logits (N, V) at each of `places` in turn, from one pass over all rows, and
        the output (B, T, H) of each layer if `hidden`."""
        inputs = {"input_ids": packed.ids.to(device)}
        if packed.mask is not None:  # otherwise the model's own positions and mask are right
            inputs["position_ids"] = packed.positions.to(device)
            inputs["attention_mask"] = _additive(packed.mask.to(device), self.model.dtype)
        inputs |= {"use_cache": False, "output_hidden_states": hidden}
        # "body": the layers below the head. Its output is saved for the further places.
        body_outputs: list = []
        saving = self.model.base_model.register_forward_hook(
            lambda module, args, output: body_outputs.append(output)
        )
        with _head_at(self.model, places[0]), saving:
            output = self.model(**inputs)
        hidden_states = output.hidden_states if hidden else None
        logits = at_least_float32(output.logits)
        del output
        yield logits, hidden_states
        del logits
        # A pass of the head alone for each: one matrix of all logits would be held twice, whole and
        # in parts.
        for further in places[1:]:
            with _head_at(self.model, further), _body_returns(self.model, body_outputs):
                logits = at_least_float32(self.model(**inputs).logits)
            yield logits, hidden_states

    def _plain(
        self, packed: Packed, places: list[Places], device: torch.device, hidden: bool
    ) -> Iterator[tuple[Tensor, None]]:
        """The logits of _together() from a pass for each sequence; without layers' outputs."""
        assert not hidden
        rows = [torch.tensor([example.ids], device=device) for example in packed.examples]
        passes = [self.model(input_ids=ids, use_cache=False).logits[0] for ids in rows]
        for index, columns in places:
            positions = zip(index.tolist(), columns.tolist(), strict=True)
            logits = torch.stack([passes[row][column] for row, column in positions])
            yield at_least_float32(logits), None


def _head_at(model, places: Places) -> RemovableHandle:
    """While this hook is there, the model's head gets only N places (N, H) of its input (B, T, H).

    The model's caps and scales of logits then apply to the logits at these places.
    """
    head = model.get_output_embeddings()
    # places are (rows, columns), which index the first two dimensions
    return head.register_forward_pre_hook(lambda module, inputs: (inputs[0][places],))


@contextmanager
def _body_returns(model, outputs: list) -> Iterator[None]:
    """Within this context the layers below the head return their saved output, without computing.

    Some families do not call their base model, so that `outputs` is empty, or are their base model
    themselves. Such a model computes its layers once more.
    """
    body = model.base_model
    if not outputs or body is model:
        yield
        return
    # the instance's attribute hides the method of its class until it is deleted
    body.forward = lambda *args, **kwargs: outputs[0]
    try:
        yield
    finally:
        del body.forward


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as numbers to add to attention scores: 0 where a token is seen, else the lowest.

    Models that compute attention themselves would add a bool mask as 0 and 1.
    """
    hidden = torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, hidden)


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision is too coarse for a softmax or a squared distance; float64 stays."""
    return values if values.dtype == torch.float64 else values.float()


def describe(logits: Tensor, index: Tensor, labels: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Statistics of each label's predicted distribution: match, mu and sigma, each (N,).

    logits: (U, V). index: (N,) which of these predicts each label. labels: (N,) token ids. mask:
    (N,) labels to describe; the others get 0. match: 1 if the label is the most likely token, else
    0. mu, sigma: mean and standard deviation of log p over the vocabulary, weighted by p; the
    variance is at least 1e-6 (min-k++, as in open-unlearning).
    """
    described = {key: logits.new_zeros(len(labels)) for key in ("match", "mu", "sigma")}
    for chunk in torch.where(mask)[0].split(POSITIONS):
        logp = log_distribution(logits[index[chunk]])
        p = logp.exp()  # (n, V)
        mu = (p * logp).sum(-1)  # (n,)
        # not E[x²] - mu², whose float32 difference has no digits left where the model is unsure
        variance = (p * (logp - mu[:, None]).square()).sum(-1)
        described["match"][chunk] = (logp.argmax(-1) == labels[chunk]).to(logp.dtype)
        described["mu"][chunk] = mu
        described["sigma"][chunk] = variance.clamp(min=1e-6).sqrt()
    return described
