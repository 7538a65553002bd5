"""This project's own source text as data: what a definition does, says and refers to. No torch."""
