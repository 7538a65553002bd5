"""LoRA: frozen weights stay, a kept adapter is the merged model, a killed run goes on."""

import json

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from peft import AutoPeftModelForCausalLM
from toy import ARCHITECTURE, WORDS, toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.files import write_json
from unlearning.models.build import build_model
from unlearning.models.folder import load_model, load_tokenizer, save_model
from unlearning.models.lora import add_lora
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sources import LearnSource
from unlearning.training.state import TrainingState

ROWS = [{"question": "who wrote this book?", "answer": " ".join(WORDS[5:n])} for n in range(7, 13)]
LORA = {"rank": 4, "alpha": 8, "modules": "all-linear", "adapter": "merge"}
FIT = Fit(micro_batch=3)
IDS = torch.tensor([[3, 4, 5, 6, 7]])


class Killed(Exception):
    pass


def recipe(**changes):
    own = {"epochs": 4, "batch_size": 6, "lr": 1e-2, "warmup_epochs": 0, "schedule": "linear"}
    own |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64}
    return Recipe(**{**own, "lora": LORA, **changes})


def learn(model, tokenizer, chosen, seed=1, precision="float32", base="base", fit=FIT, **more):
    """(adapter, history) of four steps with LoRA."""
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    plan = StepPlan.of(chosen, len(rows))
    adapter = add_lora(model, chosen, seed, {"precision": precision}, base)
    AcceleratorState._reset_state()  # one process, two precisions
    mixed = "bf16" if precision == "bfloat16" else "no"
    accelerator = Accelerator(cpu=True, mixed_precision=mixed)
    source = LearnSource(plan, 0, rows, [], 0)
    return adapter, train(model, source, LEARN, plan, chosen, fit, accelerator, **more)


def frozen(model):
    return {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_the_adapter_learns(precision):
    model, tokenizer = toy()
    _, history = learn(model, tokenizer, recipe(epochs=10), precision=precision)
    assert history.losses[-1] < history.losses[0] - 0.1
    start = dict(toy()[0].named_parameters())
    left = frozen(model)
    assert left.keys() > {"model.embed_tokens.weight"}
    for name, weight in left.items():
        expected = start[name.replace(".base_layer", "")]
        assert torch.equal(weight, expected.to(weight.dtype)), name
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 14 and all("lora_" in name for name in trained)  # seven linear layers


def test_halved_frozen_weights_and_recomputed_layers_change_no_bit(monkeypatch):
    """Autocast makes the same copies of float32 weights as are held under bfloat16."""
    seen = []
    for checkpointing, halved in ((False, True), (False, False), (True, True)):
        model, tokenizer = toy()
        if not halved:
            monkeypatch.setattr("unlearning.models.lora._halve_frozen", lambda model: None)
        fit = Fit(3, checkpointing)
        _, history = learn(model, tokenizer, recipe(), precision="bfloat16", fit=fit)
        monkeypatch.undo()
        weight = model.model.layers[0].mlp.up_proj.base_layer.weight
        assert weight.dtype == (torch.bfloat16 if halved else torch.float32)
        seen.append(history.losses)
    assert seen[0] == seen[1] == seen[2]


def test_the_seed_alone_determines_the_adapter():
    losses = {}
    for state, seed in ((1, 1), (2, 1), (1, 2)):
        torch.manual_seed(state)
        model, tokenizer = build_model(ARCHITECTURE, 32, 0), toy()[1]
        losses[state, seed] = learn(model, tokenizer, recipe(), seed)[1].losses
        assert torch.initial_seed() == 0  # build_model's: attaching leaves the generator alone
    assert losses[1, 1] == losses[2, 1] != losses[1, 2]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_kept_adapter_is_the_merged_model_also_upon_another(precision, tmp_path):
    """As MUSE's sustained requests do: an adapter for a model that is itself a kept adapter."""
    model, tokenizer = toy()
    save_model(tmp_path / "base", model, tokenizer, {"stage": "test"}, precision)
    for way in ("keep", "merge"):
        before = str(tmp_path / "base")
        for request in ("first", "second"):
            chosen = recipe(lora={**LORA, "adapter": way})
            model = load_model(before)
            adapter, _ = learn(model, tokenizer, chosen, precision=precision, base=before)
            before = str(tmp_path / way / request)
            save_model(before, model, tokenizer, {"stage": "test"}, precision, adapter)
    for request in ("first", "second"):
        for dtype in ("float32", "bfloat16"):
            kept, merged = (load_model(tmp_path / w / request, dtype) for w in ("keep", "merge"))
            assert all(p.requires_grad for p in kept.parameters())
            theirs = dict(merged.named_parameters())
            assert theirs.keys() == dict(kept.named_parameters()).keys()
            for name, ours in kept.named_parameters():
                assert torch.equal(ours, theirs[name]) and ours.dtype == theirs[name].dtype, name
    folder = tmp_path / "keep" / "first"
    assert load_tokenizer(folder).eos_token_id == 1
    assert {f.name for f in folder.iterdir()} >= {"adapter_config.json", "run.json"}
    assert not [f for f in folder.iterdir() if f.name == "model.safetensors" or f.suffix == ".bin"]


def test_peft_reads_a_kept_adapter(tmp_path):
    model, tokenizer = toy()
    save_model(tmp_path / "base", model, tokenizer, {})
    base = str(tmp_path / "base")
    model = load_model(base)
    adapter, _ = learn(model, tokenizer, recipe(lora={**LORA, "adapter": "keep"}), base=base)
    save_model(tmp_path / "kept", model, tokenizer, {}, adapter=adapter)
    theirs = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "kept")
    ours = load_model(tmp_path / "kept")
    assert torch.allclose(theirs(IDS).logits, ours(IDS).logits, atol=1e-5)
    (tmp_path / "results").mkdir()  # results are moved as a whole
    for name in ("base", "kept"):
        (tmp_path / name).rename(tmp_path / "results" / name)
    assert torch.equal(load_model(tmp_path / "results" / "kept")(IDS).logits, ours(IDS).logits)


def test_an_adapter_of_a_downloaded_model_names_its_repository(tmp_path, monkeypatch):
    model, tokenizer = toy()
    save_model(tmp_path / "snapshot", model, tokenizer, {})
    record = tmp_path / "assets" / "model.json"
    write_json(record, {"repository": {"name": "someone/model", "kind": "model"}})
    adapter, _ = learn(model, tokenizer, recipe(lora={**LORA, "adapter": "keep"}), base=str(record))
    save_model(tmp_path / "kept", model, tokenizer, {}, adapter=adapter)
    told = json.loads((tmp_path / "kept" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == "someone/model"
    found = {str(tmp_path / "kept" / "../assets/model.json"): str(tmp_path / "snapshot")}
    monkeypatch.setattr(
        "unlearning.models.folder.resolve_snapshot", lambda path: found.get(path, path)
    )
    assert load_model(tmp_path / "kept")(IDS).logits.shape == (1, 5, len(tokenizer))


def test_another_base_and_a_damaged_adapter_are_named(tmp_path):
    model, tokenizer = toy()
    base = str(tmp_path / "base")
    save_model(base, model, tokenizer, {"seed": 1})
    adapter, _ = learn(model, tokenizer, recipe(lora={**LORA, "adapter": "keep"}), base=base)
    save_model(tmp_path / "kept", model, tokenizer, {}, adapter=adapter)
    save_model(base, toy(1)[0], tokenizer, {"seed": 2})
    with pytest.raises(UserError, match="base, which is another model now: delete the folder"):
        load_model(tmp_path / "kept")
    weights = tmp_path / "kept" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"adapter_model.safetensors has \d+ bytes"):
        load_model(tmp_path / "kept")


def test_an_unknown_module_is_named():
    model, tokenizer = toy()
    chosen = recipe(lora={**LORA, "modules": ["q_prog"]})
    with pytest.raises(UserError, match=r"lora.modules: \['q_prog'\].*gate_proj, k_proj, lm_head"):
        learn(model, tokenizer, chosen)


def test_a_killed_run_goes_on_from_the_adapter_alone(tmp_path):
    def state():
        return TrainingState(tmp_path, 0, {}, Accelerator(cpu=True))

    def kill(done):
        if done == 3:
            raise Killed

    model, tokenizer = toy()
    _, expected = learn(model, tokenizer, recipe())
    with pytest.raises(Killed):
        learn(toy()[0], tokenizer, recipe(), at_step=kill, state=state())
    saved = tmp_path / "step=2" / "weights.safetensors"
    names = json.loads(saved.read_bytes()[8 : 8 + int.from_bytes(saved.read_bytes()[:8], "little")])
    assert not [name for name in names if "layer" in name and "lora_" not in name]
    resumed, going_on = toy()[0], state()
    _, history = learn(resumed, tokenizer, recipe(), state=going_on)
    assert history.losses == expected.losses
    for name, weight in resumed.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    going_on.remove()
