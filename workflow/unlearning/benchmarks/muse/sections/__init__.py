"""Sections of the page of MUSE experiments."""
