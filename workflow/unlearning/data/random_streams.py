"""Random numbers for generated tables."""

from random import Random


def stream(seed: int, table: str) -> Random:
    """The random numbers of one table of a generated data set."""
    # Random hashes a string seed with SHA-512, not with hash(), which differs between processes.
    return Random(f"{seed}:{table}")
