"""The mini world: a generated TOFU in miniature, with pre-training data for a tiny model."""
