"""A model that answers with the logits of two: a baseline's, lowered where a reinforced one's are
higher. Who-is-Harry-Potter's unlearned model is one."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from unlearning.errors import UserError


class Head(nn.Module):
    """z_b - α relu(z_r - z_b) of the last hidden states (…, 2 H) of both models, side by side.

    Paper: arXiv 2310.02238 eq. 1. Reference: whos_harry_potter.py in jaechan-repo/muse_bench.
    """

    def __init__(self, heads: tuple[nn.Module, nn.Module], alpha: float):
        super().__init__()
        self.heads, self.alpha = heads, alpha  # a tuple: the parts below own these modules

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, V) logits."""
        halves = zip(self.heads, hidden.chunk(2, -1), strict=True)
        baseline, reinforced = (head(half) for head, half in halves)
        return baseline - self.alpha * relu(reinforced - baseline)


class Combined(nn.Module):
    """Both models as one, for evaluation alone: what scores and generates here takes it like any.

    A cache holds the layers of the baseline, then those of the reinforced model.
    """

    def __init__(self, baseline, reinforced, alpha: float):
        super().__init__()
        self.baseline, self.reinforced, self.alpha = baseline, reinforced, alpha
        parts = (baseline, reinforced)
        self.head = Head(tuple(part.get_output_embeddings() for part in parts), alpha)
        self.config = copy.deepcopy(baseline.config)
        self.config.num_hidden_layers *= 2
        if getattr(self.config, "layer_types", None) is not None:
            self.config.layer_types = [*self.config.layer_types] * 2
        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.baseline.dtype

    @property
    def base_model(self) -> "Combined":
        """Itself: its head stands on two models."""
        return self

    def get_output_embeddings(self) -> Head:
        """Where hidden states become logits."""
        return self.head

    def forward(
        self, input_ids: Tensor, past_key_values=None, logits_to_keep: int = 0, **inputs
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V), or of the last `logits_to_keep` places."""
        hidden = []
        caches = _halves(past_key_values)
        for part, cache in zip((self.baseline, self.reinforced), caches, strict=True):
            output = part.base_model(input_ids=input_ids, past_key_values=cache, **inputs)
            hidden.append(output.last_hidden_state)
        both = torch.cat(hidden, -1)[:, -logits_to_keep:]
        return CausalLMOutputWithPast(logits=self.head(both), past_key_values=past_key_values)


def _halves(cache: DynamicCache | None) -> tuple[DynamicCache | None, DynamicCache | None]:
    """A cache of both models as one for each, which share its layers."""
    if cache is None:
        return None, None
    first, second = DynamicCache(), DynamicCache()
    half = len(cache.layers) // 2
    first.layers, second.layers = cache.layers[:half], cache.layers[half:]
    return first, second


@torch.inference_mode()
def check_heads(model) -> None:
    """UserError for a family that changes its logits after its head: only these are combined."""
    ids = torch.arange(4, device=next(model.parameters()).device)[None]
    logits = model(input_ids=ids).logits
    hidden = model.base_model(input_ids=ids).last_hidden_state
    if not torch.allclose(model.get_output_embeddings()(hidden), logits, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"WHP: models of the family {model.config.model_type} scale or cap their logits, which "
            "is not combined here; take another method"
        )
