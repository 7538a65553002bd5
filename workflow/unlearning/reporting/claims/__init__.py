"""The papers' claims: the file that states them, the verdicts on them, and their look."""
