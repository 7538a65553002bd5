"""A model that combines the logits of two: a baseline's, lowered where a reinforced model's are
higher. Who-is-Harry-Potter unlearns this way."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from unlearning.errors import UserError


class Head(nn.Module):
    """Computes z_b - α relu(z_r - z_b) from the concatenated last hidden states (…, 2 H) of both
    models.

    Paper: arXiv 2310.02238 eq. 1. Source: whos_harry_potter.py in jaechan-repo/muse_bench.
    """

    def __init__(self, heads: tuple[nn.Module, nn.Module], alpha: float):
        super().__init__()
        # a tuple, whose modules torch does not register: they belong to the two models
        self.heads, self.alpha = heads, alpha

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits (…, V)."""
        baseline_hidden, reinforced_hidden = hidden.chunk(2, -1)
        baseline_head, reinforced_head = self.heads
        baseline, reinforced = baseline_head(baseline_hidden), reinforced_head(reinforced_hidden)
        return baseline - self.alpha * relu(reinforced - baseline)


class Combined(nn.Module):
    """The two models as one, which can be scored and generate like any other, but not be trained.

    A cache has the layers of the baseline, then those of the reinforced model.
    """

    def __init__(self, baseline, reinforced, alpha: float):
        super().__init__()
        self.baseline, self.reinforced, self.alpha = baseline, reinforced, alpha
        heads = baseline.get_output_embeddings(), reinforced.get_output_embeddings()
        self.head = Head(heads, alpha)
        self.config = copy.deepcopy(baseline.config)
        self.generation_config = baseline.generation_config
        # DynamicCache makes as many layers, of these types, as the config says
        text = self.config.get_text_config()  # the whole one, unless the model sees images, too
        text.num_hidden_layers *= 2
        if getattr(text, "layer_types", None) is not None:
            text.layer_types = [*text.layer_types] * 2
        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the weights."""
        return self.baseline.dtype

    @property
    def base_model(self) -> "Combined":
        """This model itself, for its head takes the output of two base models."""
        return self

    def get_output_embeddings(self) -> Head:
        """The module that turns hidden states into logits."""
        return self.head

    def forward(
        self, input_ids: Tensor, past_key_values=None, logits_to_keep: int = 0, **inputs
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V), or those of the last `logits_to_keep` positions."""
        # Both hidden states go through Head as one: the scorer applies the head at some positions
        # only, by a hook on the one module that get_output_embeddings() returns.
        states = []
        caches = _split_cache(past_key_values)
        for model, cache in zip((self.baseline, self.reinforced), caches, strict=True):
            output = model.base_model(input_ids=input_ids, past_key_values=cache, **inputs)
            states.append(output.last_hidden_state)
        hidden = torch.cat(states, -1)[:, -logits_to_keep:]  # 0 keeps all, for -0 is the beginning
        return CausalLMOutputWithPast(logits=self.head(hidden), past_key_values=past_key_values)


def _split_cache(cache: DynamicCache | None) -> tuple[DynamicCache | None, DynamicCache | None]:
    """A cache for each of the two models, which share the layers of the common one."""
    if cache is None:
        return None, None
    baseline, reinforced = DynamicCache(), DynamicCache()
    half = len(cache.layers) // 2
    baseline.layers, reinforced.layers = cache.layers[:half], cache.layers[half:]
    return baseline, reinforced


@torch.inference_mode()
def check_heads(model) -> None:
    """UserError for a family that scales or caps logits after its head, which Head would not do."""
    # any tokens: what comes after the head does so for all
    ids = torch.arange(4, device=next(model.parameters()).device)[None]
    logits = model(input_ids=ids).logits
    hidden = model.base_model(input_ids=ids).last_hidden_state
    if not torch.allclose(model.get_output_embeddings()(hidden), logits, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"WHP: models of the family {model.config.model_type} scale or cap their logits, which "
            "is not combined here; take another method"
        )
