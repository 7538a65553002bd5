"""Evaluation logs: ours, those of the official TOFU code, and those of open-unlearning."""
