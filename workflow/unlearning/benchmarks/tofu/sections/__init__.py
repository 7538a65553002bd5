"""Sections of the page of TOFU and the mini world: one module and one template each."""
