"""The evaluator of capitals, which is that of your own data."""

from unlearning.benchmarks.own.evaluator import length_problems, make_evaluator

__all__ = ["length_problems", "make_evaluator"]
