"""Random streams of generated tables."""

from random import Random


def stream(seed: int, table: str) -> Random:
    """The random stream of one table of a world."""
    # Random hashes a string seed with SHA-512, never with the process's own hash().
    return Random(f"{seed}:{table}")
