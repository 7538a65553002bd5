"""What is wrong with the tokenizer of a model folder: alone, beside the model, for a prompt."""

import json
from pathlib import Path

from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

from unlearning.data.chat import prompt_format
from unlearning.data.encoding import PrefixTokenizer
from unlearning.data.prompts import PromptFormat
from unlearning.errors import UserError
from unlearning.models.checks import named

TEXTS = ("a", "The author's name, in full?\n", "é 漢 🙂")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken")  # any of which makes one
SENTENCEPIECE = (
    "install what reads it: `pip install --constraint envs/constraints.txt '.[sentencepiece]'`; or "
    "save the tokenizer anew where it loads, which writes tokenizer.json"
)


def in_a_line(error: Exception) -> str:
    """What an error says, as far as it fits into a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


def read_tokenizer(folder: Path):
    """The tokenizer that AutoTokenizer loads, with an end of sequence; or what is wrong."""
    if not any(file for pattern in TOKENIZER_FILES for file in folder.glob(pattern)):
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
    stated = settings.get("auto_map") or {}
    codes = stated.get("AutoTokenizer") if isinstance(stated, dict) else stated
    codes = codes if isinstance(codes, list) else [codes]
    names = [str(code).rpartition(".")[2] for code in codes if code]
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
                f"({in_a_line(error)}): {SENTENCEPIECE}"
            ]
        return None, [
            f"has a tokenizer that cannot be loaded ({in_a_line(error)}): copy tokenizer.json "
            "and tokenizer_config.json from where the model comes from"
        ]
    end = tokenizer.eos_token_id
    unknown = end is not None and end == tokenizer.unk_token_id
    if end is None or (unknown and tokenizer.eos_token != tokenizer.unk_token):
        return tokenizer, [
            "has a tokenizer without an end-of-sequence token, but every answer must end in one: "
            "set eos_token in its tokenizer_config.json"
        ]
    return tokenizer, _encoding(tokenizer)


def _encoding(tokenizer) -> list[str]:
    """Texts that the tokenizer cannot encode."""
    for text in TEXTS:
        try:
            PrefixTokenizer(tokenizer)([text])
        except Exception as error:  # of tokenizers
            return [
                f"has a tokenizer that cannot encode {text!r} ({in_a_line(error)}): copy "
                "tokenizer.json from where the model comes from"
            ]
    return []


def vocabulary_problems(tokenizer, model) -> list[str]:
    """Tokens that share an id, and those whose ids the model has no embedding for."""
    by_id: dict[int, list[str]] = {}
    for token, i in tokenizer.get_vocab().items():
        by_id.setdefault(i, []).append(token)
    shared = [f"{' and '.join(map(repr, sorted(t)))} ({i})" for i, t in by_id.items() if len(t) > 1]
    if shared:
        return [
            f"has tokens that share an id: {named(shared)}. Copy tokenizer.json from where the "
            "model comes from"
        ]
    if model is None:
        return []
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows)
    if not beyond:
        return []
    tokens = named([f"{token!r} ({i})" for i, token in beyond])
    needed = beyond[-1][0] + 1
    return [
        f"has tokens without an embedding: {tokens}; the model has {rows} (vocab_size). Remove "
        f"them from the tokenizer, or save the model after resize_token_embeddings({needed})"
    ]


def read_prompt(tokenizer, use: dict) -> tuple[PromptFormat | None, list[str]]:
    """The prompt format, or what the tokenizer lacks for it."""
    try:
        prompt = prompt_format(tokenizer, use["prompt"], use.get("system"))
    except UserError as error:
        return None, [f"cannot be used: {error}"]
    pieces = []
    vocabulary = tokenizer.get_vocab()
    for token in prompt.tokens:
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
