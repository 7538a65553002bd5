"""Reproduction of LLM-unlearning experiments: data, training, unlearning losses, evaluation, report."""
