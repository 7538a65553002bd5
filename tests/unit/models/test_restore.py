"""A base model of a GGUF file: restored to full weights, said so, refused in words that help."""

import builtins
from pathlib import Path

import pytest
import torch
from folders import ROOT
from unlearning.__main__ import main
from unlearning.assets import gguf as files
from unlearning.assets.gguf import gguf_problems
from unlearning.assets.needs import on_hub
from unlearning.config.experiment import load_experiment
from unlearning.errors import UserError
from unlearning.files import read_json, sha256
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.planning.shapes import Shape, shape_of
from unlearning.planning.stages import CostEstimate

gguf = pytest.importorskip("gguf", reason="the package gguf writes the file that is restored")
from toy_gguf import QUANTISED, changes, write_gguf  # noqa: E402

TEXT = "Who wrote this book? Zoë, in 1987."


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """(path of the GGUF file, its model and tokenizer before quantisation)."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.Q8_0.gguf"
    return path, *write_gguf(path)


@pytest.fixture(scope="module")
def restored(source, tmp_path_factory) -> Path:
    """The model folder that the stage writes."""
    folder = tmp_path_factory.mktemp("restored") / "model"
    assert main(["restore", "--gguf", str(source[0]), "--out", str(folder)]) == 0
    return folder


def test_weights_are_what_the_file_stands_for(source, restored):
    """Unquantised tensors bit for bit; the quantised one as the package gguf itself restores it."""
    _, original, _ = source
    q8 = gguf.GGMLQuantizationType.Q8_0
    model = load_model(restored)
    assert model.dtype == torch.float32
    theirs = original.state_dict()
    for name, weights in model.state_dict().items():
        expected = theirs[name]
        if "down_proj" in name:
            blocks = gguf.quants.quantize(expected.numpy(), q8)
            expected = torch.from_numpy(gguf.quants.dequantize(blocks, q8))
            assert not torch.equal(expected, theirs[name]), f"{QUANTISED} lost nothing"
        assert torch.equal(weights, expected), name
    ids = torch.tensor([[5, 9, 30, 7]])
    assert torch.allclose(model(ids).logits, original(ids).logits, atol=1e-3)


def test_the_tokenizer_is_the_files(source, restored):
    before, after = source[2], load_tokenizer(restored)
    assert after(TEXT)["input_ids"] == before(TEXT)["input_ids"]
    assert after.decode(after(TEXT)["input_ids"]) == TEXT
    assert (after.eos_token, after.pad_token) == ("<eos>", "<pad>")


def test_the_folder_is_an_ordinary_one_and_says_where_it_comes_from(source, restored):
    path = source[0]
    config = read_json(restored / "config.json")
    assert "quantization_config" not in config and config["model_type"] == "llama"
    record = read_json(restored / "run.json")
    assert record["stage"] == "restore"
    assert record["source"] == {
        "file": "tiny.Q8_0.gguf",
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "quantisation": {"F32": 18, "Q8_0": 2},  # 2 x 9 tensors, embedding and last norm
    }
    assert record["versions"]["gguf"] == gguf_version()


def gguf_version() -> str:
    from importlib.metadata import version

    return version("gguf")


def test_the_plan_knows_its_shape_without_its_weights(source, micro_with):
    path, model, _ = source
    shape = shape_of({"architecture": None, "path": str(path)})
    assert shape == Shape(2, 64, 2, 64, 96, model.config.vocab_size, tied=True)
    assert shape.parameters == model.num_parameters()
    experiment = load_experiment(micro_with(**changes(path)), ROOT)
    assert CostEstimate(experiment, room=80e9).jobs()["restore"] == 1


def test_a_path_that_ends_in_gguf_is_no_hub_id():
    assert not on_hub("models/tiny.gguf") and on_hub("org/tiny-GGUF")


def test_a_file_that_passes(source):
    assert gguf_problems(str(source[0])) == []


def test_what_cannot_be_restored_is_said_before_any_job(source, tmp_path, monkeypatch):
    """No file, no GGUF file, a damaged one, one without an end of sequence, no package."""
    assert "no file 'none.gguf'" in gguf_problems("none.gguf")[0]
    zipped = tmp_path / "other.gguf"
    zipped.write_bytes(b"PK\x03\x04")
    assert "is no GGUF file: it starts with b'PK" in gguf_problems(str(zipped))[0]
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source[0].read_bytes()[:2000])
    assert "is a damaged GGUF file" in gguf_problems(str(cut))[0]
    endless = tmp_path / "endless.gguf"
    write_gguf(endless, eos=False)
    assert "no end-of-sequence token" in gguf_problems(str(endless))[0]
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    message = gguf_problems(str(source[0]))[0]
    assert "read with the package gguf, which is not installed" in message
    assert "'.[gguf]'" in message and "a model folder" in message


def test_planning_without_the_package_names_it(source, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "gguf":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"read with the package gguf; install it with"):
        shape_of({"architecture": None, "path": str(source[0])})
