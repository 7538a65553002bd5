"""The mini world: a seeded TOFU in miniature, with all that a tiny model must be taught first, and
news about its persons: a MUSE in miniature."""

from unlearning.data.world.generator import generate, size_problems
from unlearning.data.world.news import generate_news, news_size_problems

__all__ = ["generate", "generate_news", "news_size_problems", "size_problems"]
