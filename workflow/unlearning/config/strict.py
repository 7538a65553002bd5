"""A YAML or JSON file that a user wrote, read so that nothing in it is lost without a word."""

import difflib
import json
from pathlib import Path

import yaml

from unlearning.config.scalars import core
from unlearning.errors import UserError

EXPERIMENTS = Path("config/experiments")  # in the project's folder, where most runs are started
_NUMBERS = {
    "tag:yaml.org,2002:int": yaml.SafeLoader.construct_yaml_int,
    "tag:yaml.org,2002:float": yaml.SafeLoader.construct_yaml_float,
}


class UniqueKeys(yaml.composer.Composer):
    """Part of a loader of YAML: notes keys that a mapping states twice, of which YAML takes the
    last."""

    problems: list[str]

    def compose_mapping_node(self, anchor):
        """The mapping that starts here; YAML's merges (<<) are resolved later."""
        node = super().compose_mapping_node(anchor)
        # on nodes, where both keys are still there: the dict has the last one only
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value in lines:
                self.problems.append(
                    f"line {line}: the key '{key.value}' stands in line {lines[key.value]} of the "
                    "same mapping already; keep one of the two"
                )
            elif isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return node


class _Strict(UniqueKeys, yaml.SafeLoader):
    """Reads YAML 1.1 as PyYAML does, and notes what its user may have meant otherwise: keys that a
    mapping states twice, and numbers that YAML 1.2 reads as others (010, 1:30)."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.problems: list[str] = []

    def compose_scalar_node(self, anchor):
        node = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS:
            value = _NUMBERS[node.tag](self, node)
            # As text, because .nan differs from itself. What YAML 1.2 takes for text (1_000) can be
            # no other number.
            read_by_others = core(node.value)
            if ":" in node.value or str(read_by_others) not in (str(value), node.value):
                self.problems.append(
                    f"line {node.start_mark.line + 1}: YAML reads {node.value} as {value}; write "
                    "the number that you mean in decimal digits"
                )
        return node


def read_file(path: Path) -> tuple[dict, list[str]]:
    """A file's content, and what in it may be meant otherwise than it is read.

    Raises UserError if the file cannot be read or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read '{path}' ({error.strerror}){_similar(path)}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"'{path}', line {line} is not UTF-8; save it so") from None
    # YAML allows no tabs between tokens, JSON does, and within its strings there can be none
    try:
        loader = _Strict(text.replace("\t", " ") if _is_json(text) else text)
        content = loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:  # a date or number that there is not
        raise UserError(f"'{path}' is not YAML: {error}") from None
    except RecursionError:
        raise UserError(f"'{path}' is nested too deeply") from None
    if _is_json(text):  # as Snakemake: JSON knows numbers that YAML takes for text
        content = json.loads(text)
    if not isinstance(content, dict):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise UserError(f"'{path}' holds no mapping of keys to values, but {kind}")
    return content, [f"{path}, {problem}" for problem in loader.problems]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _similar(path: Path) -> str:
    """The config that a path of no file may mean, for a message."""
    files = [*path.parent.glob("*.y*ml"), *EXPERIMENTS.glob("*.yaml")]
    names = {file.stem: file for file in reversed(files)}
    matches = difflib.get_close_matches(path.stem, names, n=1)
    return f"; did you mean '{names[matches[0]]}'?" if matches else ""
