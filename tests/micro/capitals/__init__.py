"""Capitals: a toy benchmark that a test adds to a copy of the project as one folder."""
