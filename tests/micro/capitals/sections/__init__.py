"""Sections of the page on capitals."""
