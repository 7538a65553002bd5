"""The evaluator of capitals: that of questions in sets, as your own data have it."""

from unlearning.benchmarks.own.evaluator import length_problems, make_evaluator

__all__ = ["length_problems", "make_evaluator"]
