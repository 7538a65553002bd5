"""The mini world: a seeded TOFU in miniature, with all that a tiny model must be taught first."""

from unlearning.data.world.generator import generate, size_problems

__all__ = ["generate", "size_problems"]
