"""Check the tokenizer of a model folder: by itself, with the model, and for a prompt format."""

import json
from pathlib import Path

from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

from unlearning.data.chat import prompt_format
from unlearning.data.encoding import PrefixTokenizer
from unlearning.data.prompts import PromptFormat
from unlearning.errors import UserError
from unlearning.models.checks import first_names

TEXTS = ("a", "The author's name, in full?\n", "é 漢 🙂")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken")  # a tokenizer has one of these
SENTENCEPIECE = (
    "install what reads it: `pip install --constraint envs/constraints.txt '.[sentencepiece]'`; or "
    "save the tokenizer anew where it loads, which writes tokenizer.json"
)


def one_line(error: Exception) -> str:
    """An error's type and message, shortened to one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


def read_tokenizer(folder: Path):
    """The tokenizer that AutoTokenizer loads, or None, and its problems."""
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZER_FILES):
        return None, [
            "has no tokenizer (tokenizer.json, tokenizer_config.json): copy these files into the "
            "folder, from the model that it was fine-tuned from or from where it comes from"
        ]
    path = folder / "tokenizer_config.json"
    settings = {}
    if path.is_file():
        try:
            settings = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            return None, [f"has a tokenizer_config.json that is no JSON object ({error})"]
    # Code of the folder's own is never run. Many folders name code that is part of transformers by
    # now, under the same class name: those load.
    auto_map = settings.get("auto_map") or {}
    paths = auto_map.get("AutoTokenizer") if isinstance(auto_map, dict) else auto_map
    paths = paths if isinstance(paths, list) else [paths]
    names = [str(path).rpartition(".")[2] for path in paths if path]
    if names and not any(tokenizer_class_from_name(name) for name in names):
        return None, [
            f"has a tokenizer that needs its own code ({', '.join(names)}, by auto_map), which is "
            "never run: save it as tokenizer.json"
        ]
    model_file = any(folder.glob("*.model")) or any(folder.glob("*.tiktoken"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of tokenizers, of transformers, of a package that is missing
        if model_file and not (folder / "tokenizer.json").is_file():
            return None, [
                f"has its tokenizer in tokenizer.model alone, which cannot be read here "
                f"({one_line(error)}): {SENTENCEPIECE}"
            ]
        return None, [
            f"has a tokenizer that cannot be loaded ({one_line(error)}): copy tokenizer.json "
            "and tokenizer_config.json from where the model comes from"
        ]
    # some tokenizers give the id of the unknown token to a token that they do not have
    end = tokenizer.eos_token_id
    unknown = end is not None and end == tokenizer.unk_token_id
    if end is None or (unknown and tokenizer.eos_token != tokenizer.unk_token):
        return tokenizer, [
            "has a tokenizer without an end-of-sequence token, but every answer must end in one: "
            "set eos_token in its tokenizer_config.json"
        ]
    return tokenizer, _encoding_problems(tokenizer)


def _encoding_problems(tokenizer) -> list[str]:
    """The problem of a tokenizer that cannot encode a text."""
    for text in TEXTS:
        try:
            PrefixTokenizer(tokenizer)([text])
        except Exception as error:  # of tokenizers
            return [
                f"has a tokenizer that cannot encode {text!r} ({one_line(error)}): copy "
                "tokenizer.json from where the model comes from"
            ]
    return []


def vocabulary_problems(tokenizer, model) -> list[str]:
    """The problem of tokens that share an id, or for whose ids the model has no embedding."""
    tokens_by_id: dict[int, list[str]] = {}
    for token, i in tokenizer.get_vocab().items():
        tokens_by_id.setdefault(i, []).append(token)
    shared = []
    for i, tokens in tokens_by_id.items():
        if len(tokens) > 1:
            shared.append(f"{' and '.join(map(repr, sorted(tokens)))} ({i})")
    if shared:
        return [
            f"has tokens that share an id: {first_names(shared)}. Copy tokenizer.json from where "
            "the model comes from"
        ]
    if model is None:
        return []
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows)
    if not beyond:
        return []
    names = first_names([f"{token!r} ({i})" for i, token in beyond])
    size = beyond[-1][0] + 1
    return [
        f"has tokens without an embedding: {names}; the model has {rows} (vocab_size). Remove "
        f"them from the tokenizer, or save the model after resize_token_embeddings({size})"
    ]


def read_prompt(tokenizer, use: dict) -> tuple[PromptFormat | None, list[str]]:
    """The prompt format, or None and what the tokenizer lacks for it."""
    try:
        prompt = prompt_format(tokenizer, use["prompt"], use.get("system"))
    except UserError as error:
        return None, [f"cannot be used: {error}"]
    pieces = []
    vocabulary = tokenizer.get_vocab()
    for token in prompt.tokens:
        # between letters, because it stands inside a text
        ids = tokenizer(f"a{token}a", add_special_tokens=False)["input_ids"]
        if vocabulary.get(token) not in ids:
            count = len(tokenizer(token, add_special_tokens=False)["input_ids"])
            pieces.append(f"{token} ({count} pieces)")
    if pieces:
        return None, [
            f"has a tokenizer for another prompt format: model.prompt {use['prompt']} needs single "
            f"tokens for {', '.join(pieces)}. Set model.prompt to chat, which takes the "
            "tokenizer's own template, or to plain"
        ]
    return prompt, []
