"""Sections of the page of synthetic experiments."""
