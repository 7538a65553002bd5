"""The digest of a stage's code follows what the code does: each edit counts, or does not."""

import pytest
from unlearning.fingerprint import fingerprint

MINE = '''
    """Losses of the user's."""
    import logging
    import math
    from dataclasses import dataclass
    from functools import cache

    import helper
    from helper import shift as moved
    from losses import steep

    logger = logging.getLogger("mine")
    SCALE = 2.0
    UNUSED = 1
    TABLE = {"a": 1.0, "b": 2.0}
    TABLE["c"] = 3.0
    helper.SWITCH["on"] = True


    @dataclass
    class Range:
        """From low to high."""

        low: float = 0.0
        high: float = 1.0

        def width(self) -> float:
            return self.high - self.low


    class Unfit(ValueError):
        pass


    def words(value):
        return f"{value} is not" + " fit"


    def loss(batch, scale: float = 1.0):
        """Its value."""
        problems = []
        if scale < 0:
            problems.append(f"scale is {scale}")
            raise Unfit(words(scale), "must be positive")
        assert scale < 100, "too large"
        print("loss", scale)
        logger.info("of %s", scale)
        squares = [moved(row) for row in batch]
        return scale * SCALE * sum(squares) + Range().width() * helper.offset() + steep.slope()


    def second(batch, TABLE=TABLE):
        def inner(key):
            return TABLE[key]

        return [inner(key) for key in batch]


    @cache
    def third(batch):
        from helper import late

        return late(batch)


    def fourth(batch):
        return dict(TABLE)
'''
HELPER = """
    SWITCH = {}
    OFFSET = 1.0


    def shift(value):
        return value + 1


    def offset():
        return OFFSET


    def late(batch):
        return nowhere(batch)


    def not_used():
        return 4


    if OFFSET > 5:
        SWITCH.clear()
"""
STEEP = """
    def slope():
        return 3


    def other():
        return 5
"""
FILES = {"mine.py": MINE, "helper.py": HELPER, "losses/steep.py": STEEP}


@pytest.fixture
def digest(tmp_path_factory):
    """digest("loss", "mine.py", "old", "new"): of a function of mine.py, after an edit of a file.
    The files lie in a new folder for each call, for they are read once."""

    def of(function: str, file: str = "mine.py", before: str = "", after: str = "") -> str:
        folder = tmp_path_factory.mktemp("own")
        for name, text in FILES.items():
            assert name != file or before in text, before
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            lines = (text.replace(before, after, 1) if name == file else text).splitlines()
            path.write_text("\n".join(line.removeprefix("    ") for line in lines))
        return fingerprint(f"{folder / 'mine.py'}:{function}")

    return of


@pytest.mark.parametrize(
    "file, before, after",
    [
        ("mine.py", "Its value", "Said better"),
        ("mine.py", "scale < 0:", "(scale\n                < 0):  # never"),
        ("mine.py", "scale: float =", "scale: int ="),
        ("mine.py", "-> float", "-> int"),
        ("mine.py", "must be positive", "must be above 0"),
        ("mine.py", "scale is {", "the scale is {"),
        ("mine.py", "is not", "is never"),
        ("mine.py", "too large", "larger than 100"),
        ("mine.py", '"loss", scale', '"the loss:", scale'),
        ("mine.py", "of %s", "now %s"),
        ("mine.py", "UNUSED = 1", "UNUSED = 2"),
        ("mine.py", "    def second(", "    def fresh():\n        return 1\n\n    def second("),
        ("mine.py", "inner(key) for", "inner(key, 2) for"),
        ("helper.py", "return 4", "return 5"),
        ("losses/steep.py", "return 5", "return 6"),
    ],
)
def test_words_layout_and_what_is_not_used_change_nothing(digest, file, before, after):
    assert digest("loss", file, before, after) == digest("loss")


@pytest.mark.parametrize(
    "file, before, after",
    [
        ("mine.py", "scale * SCALE", "scale * 2 * SCALE"),
        ("mine.py", "scale: float = 1.0", "scale: float = 2.0"),
        ("mine.py", "SCALE = 2.0", "SCALE = 3.0"),
        ("mine.py", "high: float = 1.0", "high: float = 2.0"),
        ("mine.py", "self.high -", "self.high - 2 *"),
        ("mine.py", "class Unfit(ValueError)", "class Unfit(KeyError)"),
        ("mine.py", "{value} is not", "{value + 1} is not"),
        ("mine.py", "shift as moved", "offset as moved"),
        ("mine.py", 'SWITCH["on"] = True', 'SWITCH["on"] = False'),
        ("mine.py", "SCALE = 2.0", "SCALE = 2.0\n    math.seterr = None"),
        ("mine.py", "import math", "import torch"),
        ("helper.py", "value + 1", "value + 2"),
        ("helper.py", "OFFSET = 1.0", "OFFSET = 2.0"),
        ("helper.py", "OFFSET > 5", "OFFSET > 0"),
        ("losses/steep.py", "return 3", "return 4"),
    ],
)
def test_every_other_edit_counts(digest, file, before, after):
    assert digest("loss", file, before, after) != digest("loss")


@pytest.mark.parametrize(
    "function, file, before, after",
    [
        # a default and a changed entry of what an inner function closes over
        ("second", "mine.py", '"a": 1.0', '"a": 1.5'),
        ("second", "mine.py", 'TABLE["c"] = 3.0', 'TABLE["c"] = 4.0'),
        # an import inside a function; `nowhere` is bound nowhere, so all of its module counts
        ("third", "helper.py", "nowhere(batch)", "nowhere(batch, 1)"),
        ("third", "helper.py", "return 4", "return 5"),
        ("fourth", "mine.py", '"b": 2.0', '"b": 2.5'),
    ],
)
def test_what_a_function_reaches_by_other_ways_counts(digest, function, file, before, after):
    assert digest(function, file, before, after) != digest(function)


def test_the_order_of_functions_does_not_matter(digest):
    before, shift, rest = HELPER.partition("    def shift(value):\n        return value + 1\n\n\n")
    assert digest("loss", "helper.py", HELPER, before + rest + shift) == digest("loss")


PROMPTS = "unlearning.data.prompts:PROMPTS"


def test_of_a_table_only_the_entries_count_that_are_named():
    chat = "unlearning.data.chat:prompt_format"
    plain, llama2 = (fingerprint(chat, f"{PROMPTS}[{name}]") for name in ("plain", "llama2"))
    without = fingerprint(chat, f"{PROMPTS}[none of them]")
    assert len({plain, llama2, without, fingerprint(chat)}) == 4
    # where nothing looks into the table, naming an entry changes nothing
    assert fingerprint("unlearning.files", f"{PROMPTS}[plain]") == fingerprint("unlearning.files")


def test_a_method_that_is_named_and_not_imported_counts():
    stage, loss = "unlearning.stages.unlearn", "unlearning.methods.preference:npo"
    assert fingerprint(stage) != fingerprint(stage, loss) == fingerprint(loss, stage)


def test_a_stage_is_what_its_run_and_its_arguments_reach():
    stage = "unlearning.stages.data"
    assert fingerprint(stage) == fingerprint(f"{stage}:run", f"{stage}:add_arguments")
    assert fingerprint(stage) != fingerprint(f"{stage}:run")


@pytest.mark.parametrize(
    "head",
    [
        "from importlib import import_module\nh = import_module('aside')\n",
        "h = __import__('aside')\n",
    ],
)
def test_a_file_that_imports_by_name_reaches_all_beside_it(tmp_path, head):
    digests = []
    for value in (1, 1, 2):
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        (folder / "mine.py").write_text(f"{head}\n\ndef loss(batch):\n    return h.VALUE\n")
        (folder / "aside.py").write_text(f"VALUE = {value}\n")
        digests.append(fingerprint(f"{folder / 'mine.py'}:loss"))
    assert digests[0] == digests[1] != digests[2]
