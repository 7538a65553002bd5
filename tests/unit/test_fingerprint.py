"""The digest of a stage's code follows what the code does."""

import textwrap

import pytest
from unlearning.fingerprint import fingerprint

CODE = '''
    """A loss."""
    import math

    def loss(batch, scale=1.0):
        """Its value."""
        if scale:
            return -scale * batch.nll
        return math.inf
'''
REWORDED = '''
    # Only words and layout differ.
    """Said better."""
    import math


    def loss(
        batch,
        scale=1.0,  # of the loss
    ):
        if scale:
            """Another text that does nothing."""
            return (-scale) * batch.nll
        return math.inf
'''


@pytest.fixture
def digest(tmp_path):
    """The digest of a file of the user's; a new one for each text, for files are read once."""

    def of(text: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "mine.py").write_text(textwrap.dedent(text))
        return fingerprint(str(folder / "mine.py"))

    return of


def test_words_and_layout_change_nothing(digest):
    assert digest(REWORDED) == digest(CODE)


@pytest.mark.parametrize(
    "before, after",
    [
        ("-scale", "-2 * scale"),
        ("scale=1.0", "scale=2.0"),
        ("inf", "nan"),
        ("if scale", "if batch"),
    ],
)
def test_every_other_change_counts(digest, before, after):
    assert digest(CODE.replace(before, after)) != digest(CODE)


def test_a_method_that_is_named_and_not_imported_counts():
    stage, losses = "unlearning.stages.unlearn", "unlearning.methods.preference"
    assert fingerprint(stage) != fingerprint(stage, losses) == fingerprint(losses, stage)
