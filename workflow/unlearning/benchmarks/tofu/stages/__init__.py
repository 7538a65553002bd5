"""Stages that read and write TOFU evaluation logs."""
