"""Experiments as the user writes them. Imported by the Snakefile: no torch."""
