"""The mini world: a seeded TOFU in miniature, with all that a tiny model must be taught first."""
