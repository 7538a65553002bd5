"""Evaluation logs of this project, of the official TOFU code and of open-unlearning."""
