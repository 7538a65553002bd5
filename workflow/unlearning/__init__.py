"""Reproduction of LLM-unlearning experiments, from data to report."""
