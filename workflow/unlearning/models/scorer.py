"""Log-probabilities of labels, with the vocabulary projection at the needed positions only."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlearning.data.packing import Packed, Places

POSITIONS = 512  # described at once: their distributions are a small part of the logits at hand


class Scorer(nn.Module):
    """A causal language model whose forward pass returns label log-probabilities.

    Being a module, it is what DDP and FSDP wrap, so that gradients synchronise as usual.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(
        self,
        packed: Packed,
        detail: Tensor | None = None,
        full: Places | None = None,
        layer: int | None = None,
        answers: Places | None = None,
    ) -> dict[str, Tensor]:
        """Score packed sequences, N labels in all.

        detail: (S,) bool, sequences whose labels are described. full: P places whose next-token
        logits are returned whole. layer: index of the layer whose output is returned at the A
        places `answers`.
        Returns logp (N,) and row (N,) of the labels, sequence by sequence; with `full`, logits
        (P, V); with `layer`, activations (A, H); with `detail`, match, mu and sigma (N,) as in
        describe(), zero in the other sequences.
        """
        project = self.model.get_output_embeddings()
        device = next(self.parameters()).device
        before, labels, row = packed.labels()
        labels, row = labels.to(device), row.to(device)
        output = self.model.get_decoder()(
            input_ids=packed.ids.to(device),
            position_ids=packed.positions.to(device),
            attention_mask=None if packed.mask is None else packed.mask.to(device),
            use_cache=False,
            output_hidden_states=layer is not None,
        )
        hidden = output.last_hidden_state  # (B, T, H)
        logits = at_least_float32(project(hidden[before]))  # (N, V)
        logp = -cross_entropy(logits, labels, reduction="none")
        scores = {"logp": logp, "row": row}
        if detail is not None:
            scores |= describe(logits, labels, detail.to(device)[row])
        if full is not None:
            scores["logits"] = at_least_float32(project(hidden[full]))
        if layer is not None:
            # entry 0 is the embeddings' output; the last entry is normalised, so no layer's own
            assert 0 <= layer < len(output.hidden_states) - 2, f"no layer {layer} below the last"
            scores["activations"] = at_least_float32(output.hidden_states[layer + 1][answers])
        return scores


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision is too coarse for a softmax or a squared distance; float64 stays."""
    return values if values.dtype == torch.float64 else values.float()


def describe(logits: Tensor, labels: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """What the wanted (N,) of N positions with (N, V) logits say of their labels.

    match: whether the label is the most likely token. mu, sigma: mean and standard deviation of
    log p over the vocabulary, weighted by p; the variance is at least 1e-6 (min-k++, as in
    open-unlearning).
    """
    described = {key: logits.new_zeros(len(labels)) for key in ("match", "mu", "sigma")}
    for chunk in torch.where(wanted)[0].split(POSITIONS):
        logp = logits[chunk].log_softmax(-1)
        p = logp.exp()
        mu = (p * logp).sum(-1)
        variance = (p * logp.square()).sum(-1) - mu.square()
        described["match"][chunk] = (logp.argmax(-1) == labels[chunk]).to(logp.dtype)
        described["mu"][chunk] = mu
        described["sigma"][chunk] = variance.clamp(min=1e-6).sqrt()
    return described
