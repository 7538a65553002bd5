"""A base model is judged before any job: each way of being broken is named, and no other is."""

import shutil
import sys
from pathlib import Path

import pytest
from broken_models import BROKEN, Broken, changed, good_model, use
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.models.folder import load_model, load_tokenizer, save_model
from unlearning.models.judgement import judge


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return good_model(tmp_path_factory.mktemp("good") / "model")


def test_a_good_model_has_no_problem(good):
    assert judge(good, use()) == []
    load_model(good)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_each_way_of_being_broken_is_named(good, tmp_path, broken: Broken):
    folder = changed(good, broken, tmp_path / "model")
    problems = judge(folder, use(**broken.use))
    if broken.says is None:
        assert problems == []
        load_model(folder)
        return
    if broken.late:
        assert problems == []  # the headers are in order
        with pytest.raises(UserError) as caught:
            load_model(folder)
        problems = [str(caught.value)]
    for part in broken.says:
        assert part in "\n".join(problems)
    assert "Traceback" not in "\n".join(problems)


def test_a_pattern_that_matches_no_parameter_is_named(good):
    """Which parameters RMU trains, where the config says so."""
    entry = {"setting": "methods.RMU+ACT", "layer": 0}
    assert judge(good, use(layers=[entry | {"pattern": ".*"}])) == []
    (problem,) = judge(good, use(layers=[entry | {"pattern": r"h\.0\..*"}]))
    for part in ("methods.RMU+ACT.trained", r"'h\\.0\\..*'", "model.layers."):
        assert part in problem


def test_a_layer_that_the_model_lacks_is_named(good):
    """Of two layers only the first one's output is seen before the final normalisation."""
    entry = {"setting": "methods.GA+ACT", "pattern": None}
    assert judge(good, use(layers=[entry | {"layer": 0}])) == []
    (problem,) = judge(good, use(layers=[entry | {"layer": 1}]))
    for part in ("methods.GA+ACT.layer", "0 to 0", "2 layers", "found 1"):
        assert part in problem


def test_layers_for_an_adapter_that_the_model_lacks_are_named(good):
    """peft passes over one beside another that is there."""
    assert judge(good, use(lora={"unlearn": ["q_proj", "mlp.up_proj"]})) == []
    (problem,) = judge(good, use(lora={"unlearn": ["q_proj", "query"]}))
    for part in ("'query'", "unlearn.lora.modules", "k_proj", "q_proj"):
        assert part in problem


def test_a_tokenizer_without_the_chat_template_that_tasks_ask_for_is_named(good):
    (problem,) = judge(good, use(chat_template=True))
    assert "harness.chat_template to false" in problem


def test_a_folder_of_ours_is_judged_by_its_record_too(good, tmp_path):
    """Files of the tokenizer by checksum, weights by size: reading those takes minutes."""
    model, folder = load_model(good), tmp_path / "ours"
    save_model(folder, model, load_tokenizer(good), {"stage": "finetune"})
    assert judge(folder, use()) == []
    path = folder / "tokenizer_config.json"
    path.write_text(path.read_text().replace("<unk>", "<UNK>"))
    assert "another content than was written" in " ".join(judge(folder, use()))


@pytest.fixture
def sentencepiece(tmp_path, good) -> Path:
    """The good model with a tokenizer.model and nothing else of a tokenizer, as first Llamas."""
    train = pytest.importorskip("sentencepiece").SentencePieceTrainer.train
    text = tmp_path / "text.txt"
    text.write_text(
        "who wrote this book ? ann ben carl wrote it . the author was born in rome\n" * 9
    )
    prefix = str(tmp_path / "tokenizer")
    train(input=str(text), model_prefix=prefix, vocab_size=60, model_type="bpe", minloglevel=9)
    folder = tmp_path / "model"
    shutil.copytree(good, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    shutil.copy(f"{prefix}.model", folder / "tokenizer.model")
    return folder


def test_a_tokenizer_model_alone_is_read_where_its_packages_are(sentencepiece):
    assert judge(sentencepiece, use()) == []
    encoder = Encoder(load_tokenizer(sentencepiece), PROMPTS["plain"], 64)
    example = encoder.encode("who wrote it", "ann wrote it")
    words = encoder.tokenizer.convert_ids_to_tokens(example.ids[example.start :])
    assert "".join(words) == "▁ann▁wrote▁it</s>"


def test_a_tokenizer_model_alone_names_what_would_read_it(sentencepiece, monkeypatch):
    for package in ("sentencepiece", "google.protobuf", "tiktoken"):
        monkeypatch.setitem(sys.modules, package, None)
    problem = " ".join(judge(sentencepiece, use()))
    assert "tokenizer.model alone" in problem and "'.[sentencepiece]'" in problem
