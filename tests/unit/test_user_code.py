"""Functions in files of the user's: each with the helpers of its own folder, checked unrun."""

import sys
from pathlib import Path

import pytest
from unlearning.errors import UserError
from unlearning.fingerprint import fingerprint
from unlearning.user_code import function_arguments, load_function

AT_HEAD = "import helper\n\ndef value():\n    return helper.VALUE\n"
INSIDE = (
    "def value():\n    import helper\n    helper.CALLS.append(1)\n    return len(helper.CALLS)\n"
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("helper", ["helper.py", "helper/__init__.py"])
def test_helpers_of_one_name_in_two_folders(tmp_path, helper):
    values = []
    for number in (1, 2):
        write(tmp_path / str(number) / helper, f"VALUE = {number}\n")
        file = write(tmp_path / str(number) / "mine.py", AT_HEAD)
        values.append(load_function(f"{file}:value"))
    assert [value() for value in values] == [1, 2]
    assert "helper" not in sys.modules
    assert not [path for path in sys.path if path.startswith(str(tmp_path))]


def test_a_helper_that_is_imported_in_the_function_keeps_its_state(tmp_path):
    values = []
    for folder in "ab":
        write(tmp_path / folder / "helper.py", "CALLS = []\n")
        file = write(tmp_path / folder / "mine.py", INSIDE)
        values.append(load_function(f"{file}:value"))
    assert [values[0](), values[0](), values[1]()] == [1, 2, 1]


def test_a_decorated_function_keeps_its_name(tmp_path):
    text = "import functools\n\n@functools.lru_cache\ndef value(x):\n    return x\n"
    function = load_function(f"{write(tmp_path / 'mine.py', text)}:value")
    assert f"{function.__module__}:{function.__qualname__}" == f"{tmp_path}/mine.py:value"


def test_a_file_that_ends_the_program_is_named(tmp_path):
    file = write(tmp_path / "mine.py", "import sys\nsys.exit(0)\n\ndef value():\n    return 1\n")
    with pytest.raises(UserError, match=r"mine\.py: line 2 .*SystemExit"):
        load_function(f"{file}:value")


FINE = [
    "import math, os.path\n",
    "import helper\nfrom helper import VALUE\n",
    "from folder import part\nimport folder.part\n",
    "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\n",
    "if False:\n    import nowhere\n",
    "import marked\n",
    "import latin1\n",
]
WRONG = {
    "import nowhere\n": ("line 1", "nowhere", "neither installed"),
    "import math\nfrom nowhere.part import x\n": ("line 2", "nowhere.part"),
    "from . import helper\n": ("line 1", "relative import"),
    "import broken\n": ("broken.py, line 2",),
    "import latin\n": ("latin.py", "cannot be read as Python"),
    "def late():\n    import broken\n": ("broken.py, line 2",),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of helpers, two of them no Python."""
    write(tmp_path / "helper.py", "VALUE = 1\n")
    write(tmp_path / "folder" / "part.py", "VALUE = 1\n")
    write(tmp_path / "broken.py", "VALUE = 1\ndef f(:\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    # as editors of Windows begin a file, and as Python wants other encodings to be named
    (tmp_path / "marked.py").write_bytes(b"\xef\xbb\xbfVALUE = 1\n")
    (tmp_path / "latin1.py").write_bytes(b"# coding: latin1\nVALUE = 'caf\xe9'\n")
    return tmp_path


@pytest.mark.parametrize("head", FINE)
def test_imports_that_can_be_had(folder, head):
    file = write(folder / "mine.py", head + "\ndef value(batch):\n    return batch\n")
    arguments, problems = function_arguments("methods.a.function", f"{file}:value")
    assert problems == [] and arguments.args[0].arg == "batch"
    assert len(fingerprint(f"{file}:value")) == 12


@pytest.mark.parametrize("head, parts", WRONG.items())
def test_imports_that_will_fail_are_named_before_any_job(folder, head, parts):
    file = write(folder / "mine.py", head + "\ndef value(batch):\n    return batch\n")
    _, (problem,) = function_arguments("methods.a.function", f"{file}:value")
    assert problem.startswith("methods.a.function: ")
    assert [part for part in parts if part not in problem] == [], problem
