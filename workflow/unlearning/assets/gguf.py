"""Read the metadata of a GGUF file (llama.cpp's format of quantised models), without its weights.

The package gguf is imported inside the functions, because most experiments do not need it.
"""

from importlib.util import find_spec
from pathlib import Path

from unlearning.errors import UserError, seen_from

SUFFIX = ".gguf"
MAGIC = b"GGUF"  # the first four bytes
INSTALL = "install it with `pip install --constraint envs/constraints.txt '.[gguf]'`"


def is_gguf(path: str | None) -> bool:
    """Whether a model's path names a GGUF file, by its suffix."""
    return path is not None and path.lower().endswith(SUFFIX)


def gguf_problems(path: str) -> list[str]:
    """Why a GGUF file cannot be the base model; empty if it can."""
    file = Path(path)
    if not file.is_file():
        return [
            f"model.path: no file '{path}'{seen_from(path)}. It should be a GGUF file with weights "
            "and tokenizer, a model folder, or a hub id"
        ]
    with file.open("rb") as stream:
        magic = stream.read(len(MAGIC))
    if magic != MAGIC:
        return [f"model.path: '{path}' is no GGUF file: it starts with {magic!r}, not {MAGIC!r}"]
    if find_spec("gguf") is None:
        return [
            f"model.path: '{path}' is read with the package gguf, which is not installed; "
            f"{INSTALL}, or set model.path to a model folder"
        ]
    try:
        fields = read_fields(file)
    except UserError as error:
        return [f"model.path: {error}"]
    if "tokenizer.ggml.eos_token_id" not in fields:
        return [
            f"model.path: '{path}' names no end-of-sequence token (tokenizer.ggml.eos_token_id), "
            "but every answer must end in one; take another conversion of the model"
        ]
    return []


def read_fields(path: Path) -> dict:
    """Metadata of a GGUF file: key -> value without the lists of tokens, and `quantisation`:
    type -> number of tensors of it. UserError if the file is damaged."""
    reader = _reader(path)
    fields = {}
    for key, field in reader.fields.items():
        # the lists of tokens and merges have a hundred thousand entries
        if not key.startswith("tokenizer.") or len(field.data) == 1:
            fields[key] = field.contents()
    # a file mixes them: norms stay in float32, and some layers have more bits than others
    types = [tensor.tensor_type.name for tensor in reader.tensors]
    fields["quantisation"] = {name: types.count(name) for name in sorted(set(types))}
    return fields


def gguf_config(path: Path) -> dict:
    """The sizes of a GGUF file's model, by the keys of config.json; None where the file is silent.

    UserError if the file is damaged.
    """
    reader = _reader(path)
    fields = reader.fields
    architecture = fields["general.architecture"].contents()

    # keys begin with the architecture, as in llama.block_count
    def field(name: str):
        key = f"{architecture}.{name}"
        return fields[key].contents() if key in fields else None

    tokens = fields.get("tokenizer.ggml.tokens")
    return {
        "model_type": architecture,
        "num_hidden_layers": field("block_count"),
        "hidden_size": field("embedding_length"),
        "intermediate_size": field("feed_forward_length"),
        "num_attention_heads": field("attention.head_count"),
        "num_key_value_heads": field("attention.head_count_kv"),
        "head_dim": field("attention.key_length"),
        "vocab_size": field("vocab_size") or (len(tokens.data) if tokens else None),
        # tied models share the embedding matrix, so their files have no output matrix
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
    }


def _reader(path: Path):
    """Open a file with package gguf; UserError if that is not installed or the file is damaged."""
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UserError(f"'{path}' is read with the package gguf; {INSTALL}") from None
    try:  # the package checks little itself: a cut file raises whatever its first bad offset does
        reader = GGUFReader(path)
        reader.fields["general.architecture"].contents()
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise UserError(
            f"'{path}' is a damaged GGUF file ({error!r}); get the file again"
        ) from None
    return reader
