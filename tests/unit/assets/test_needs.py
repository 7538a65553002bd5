"""Which files of a model folder are read."""

import json

import pytest
from unlearning.assets.needs import model_files

READ = ("config.json", "tokenizer.json", "merges.txt", "tokenizer.model", "chat_template.jinja")
READ += ("additional_chat_templates/rag.jinja", "qwen.tiktoken")
UNREAD = ("README.md", "README.txt", "LICENSE.txt", "pytorch_model.bin", "figures/loss.json")


@pytest.fixture
def folder(tmp_path):
    """A model folder beside another."""
    folder = tmp_path / "model"
    for name in (*READ, *UNREAD):
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("{}")
    return folder


def names(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in model_files(folder)}


def test_weights_tokenizer_and_settings_count_and_words_do_not(folder):
    (folder / "model.safetensors").write_bytes(b"weights")
    assert names(folder) == {*READ, "model.safetensors"}


def test_shards_are_those_of_the_index(folder):
    index = {"weight_map": {"a": "first.safetensors", "b": "second.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("first", "second", "consolidated"):
        (folder / f"{name}.safetensors").write_bytes(b"weights")
    shards = {"model.safetensors.index.json", "first.safetensors", "second.safetensors"}
    assert names(folder) == {*READ, *shards}


def test_an_adapter_counts_with_the_model_that_it_is_for(folder):
    base = folder.with_name("base")
    base.mkdir()
    (base / "model.safetensors").write_bytes(b"weights")
    (folder / "adapter_model.safetensors").write_bytes(b"adapter")
    (folder / "run.json").write_text(json.dumps({"adapter_of": {"path": "../base"}}))
    files = {path.resolve() for path in model_files(folder)}
    assert base / "model.safetensors" in files and folder / "adapter_model.safetensors" in files
