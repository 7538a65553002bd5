"""Experiments as the user writes them: schema, checks, paths. Imported by the Snakefile: no torch."""
