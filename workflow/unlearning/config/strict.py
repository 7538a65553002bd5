"""A YAML or JSON file that a user wrote, read so that nothing in it is lost without a word."""

import json
from contextlib import suppress
from pathlib import Path

import yaml

from unlearning.errors import UserError


class _Strict(yaml.SafeLoader):
    """Reads YAML and remembers the keys that a mapping states twice."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.repeated: list[str] = []

    def compose_mapping_node(self, anchor):
        """The mapping that starts here; YAML's merges (<<) are resolved later."""
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value in lines:
                self.repeated.append(
                    f"line {line}: the key '{key.value}' stands in line {lines[key.value]} of the "
                    "same mapping already; keep one of the two"
                )
            elif isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return node


def read_file(path: Path) -> tuple[dict, list[str]]:
    """A file's content, and a problem for each key that it states twice.

    Raises UserError if the file cannot be read or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read '{path}' ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"'{path}', line {line} is not UTF-8; save it so") from None
    loader = _Strict(text)
    try:
        content = loader.get_single_data()
    except yaml.YAMLError as error:
        raise UserError(f"'{path}' is not YAML: {error}") from None
    finally:
        loader.dispose()
    with suppress(ValueError):  # as Snakemake: JSON knows numbers that YAML takes for text
        content = json.loads(text)
    if not isinstance(content, dict):
        raise UserError(f"'{path}' holds no mapping, but {type(content).__name__}")
    return content, [f"{path}, {problem}" for problem in loader.repeated]
