"""The jobs of the synthetic studies."""
