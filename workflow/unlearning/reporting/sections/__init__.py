"""Sections that reports of several benchmarks have: one module and one template each."""
