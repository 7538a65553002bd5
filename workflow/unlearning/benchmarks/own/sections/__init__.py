"""Sections of the page on your own data."""
