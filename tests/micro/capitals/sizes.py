"""Rows and tokens for `plan`, counted as in your own data."""

from unlearning.benchmarks.own.sizes import sizes

__all__ = ["sizes"]
