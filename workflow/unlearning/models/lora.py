"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: small matrices that are trained beside frozen
weights.

Settings and defaults are those of TOFU and NPO (`LoraConfig` in forget.py of locuslab/tofu and of
licong-lin/negative-preference-optimization) except dropout: training draws no random numbers here,
so that a step is a function of (seed, step).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from unlearning.errors import UserError
from unlearning.files import read_json

ALL_LINEAR = "all-linear"  # all linear layers except the vocabulary projection


@dataclass
class Adapter:
    """A model with low-rank matrices.

    peft_model: peft's wrapper of the model. base: the model's folder, hub id or snapshot record.
    keep: whether to save the adapter, not the merged model.
    """

    peft_model: nn.Module
    base: str
    keep: bool

    def save(self, folder: Path) -> None:
        """Write adapter_config.json and adapter_model.safetensors (float32) for peft."""
        name = self.base
        if name.endswith(".json"):  # a snapshot record
            name = read_json(Path(name))["repository"]["name"]
        self.peft_model.peft_config["default"].base_model_name_or_path = name
        self.peft_model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink()  # an empty template of a model card

    def merge(self) -> nn.Module:
        """The model with the adapter in its weights, on the CPU: load_adapted() merges there too,
        and rounding differs between devices."""
        return self.peft_model.to("cpu").merge_and_unload()


def add_lora(model, recipe, seed: int, settings: dict, base: str) -> Adapter | None:
    """Freeze `model` and add the adapter of recipe.lora in place; None if the recipe has none.

    Under bfloat16 the frozen linear layers become bfloat16: autocast would compute with such copies
    and keep the float32 weights too. base: what `model` was loaded from. UserError if the model
    lacks a module of recipe.lora.
    """
    if recipe.lora is None:
        return None
    from peft import LoraConfig, get_peft_model  # takes seconds, so only where it is needed

    lora = recipe.lora
    # dropout stays at peft's 0
    config = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        target_modules=lora["modules"],
        task_type="CAUSAL_LM",
    )
    # peft draws the initial matrices from torch's global generator, whose state must not change
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            peft_model = get_peft_model(model, config)
        except ValueError as error:
            linear = [name for name, m in model.named_modules() if isinstance(m, nn.Linear)]
            names = {name.rpartition(".")[2] for name in linear}
            raise UserError(
                f"lora.modules: {lora['modules']} cannot be adapted ({error}). Linear layers "
                f"of this model: {', '.join(sorted(names))}; {ALL_LINEAR} takes all but the last"
            ) from None
    if settings["precision"] != "float32":
        _halve_frozen(model)
    return Adapter(peft_model, base, lora["adapter"] == "keep")


def _halve_frozen(model) -> None:
    """Convert frozen linear layers to bfloat16, except one that shares the embedding's weights,
    which autocast leaves in float32."""
    embedding = model.get_input_embeddings().weight
    for module in model.modules():
        if not isinstance(module, nn.Linear) or module.weight is embedding:
            continue
        if not module.weight.requires_grad:
            module.to(torch.bfloat16)


def load_adapted(model, folder: str) -> nn.Module:
    """The model with the adapter of `folder` merged into its weights, all of them trainable."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder).merge_and_unload().requires_grad_(True)
