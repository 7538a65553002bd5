"""Likelihoods, generation, TOFU metrics and their statistics."""
