"""WMDP models are measured on harness tasks alone."""


def length_problems(*_) -> list[str]:
    """The harness cuts prompts by itself."""
    return []
