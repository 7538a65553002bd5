"""The small decoder of SimNPO's study of Markov chains: states in, logits of the next state out.

Paper: SimNPO (arXiv 2410.07163) §5. Reference: synthetic_simnpo/model.py in
OPTML-Group/Unlearn-Simple at a2e90d7. Deviation: there is no setting `n_head`, because the released
attention never reads it and has one head over the whole width.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

POSITION_STD = 0.02  # of the position embeddings at the start; the rest starts as torch starts it


class Layer(nn.Module):
    """One head of causal attention and an MLP, each added and then normalised."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.after_attention, self.after_mlp = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, width) to the same shape. Scores are divided by sqrt(width), as always."""
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        attention = scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = self.after_attention(hidden + attention)  # normalised after the sum, as released
        return self.after_mlp(hidden + self.mlp(hidden))


class Decoder(nn.Module):
    """A decoder of `layers` layers of `width`, for sequences of `positions` of `states` states."""

    def __init__(self, states: int, positions: int, layers: int, width: int):
        super().__init__()
        self.states = nn.Embedding(states, width)
        self.positions = nn.Embedding(positions, width)
        nn.init.normal_(self.positions.weight, std=POSITION_STD)
        self.layers = nn.Sequential(*(Layer(width) for _ in range(layers)))
        self.output = nn.Linear(width, states)

    def forward(self, states: Tensor) -> Tensor:
        """(B, T) states to (B, T, S) logits of the state that follows each of them."""
        positions = torch.arange(states.shape[1], device=states.device)
        return self.output(self.layers(self.states(states) + self.positions(positions)))
