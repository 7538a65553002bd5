"""Low-rank adapters (LoRA, arXiv 2106.09685) through peft: trained beside frozen weights.

Settings and their defaults are the released ones of TOFU and NPO (`LoraConfig` in forget.py of
locuslab/tofu and of licong-lin/negative-preference-optimization) but for dropout: training draws
no random numbers here, so that a step is a function of (seed, step).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from unlearning.errors import UserError
from unlearning.files import read_json

ALL_LINEAR = "all-linear"  # all linear layers but the vocabulary projection


@dataclass
class Adapter:
    """Low-rank matrices beside the layers of a model. tuned: peft's view of it. base: its weights'
    folder, hub id or snapshot's record. keep: whether the adapter is saved, rather than the whole
    model."""

    tuned: nn.Module
    base: str
    keep: bool

    def save(self, folder: Path) -> None:
        """adapter_config.json and adapter_model.safetensors (float32), as peft reads them."""
        record = self.base.endswith(".json")
        name = read_json(Path(self.base))["repository"]["name"] if record else self.base
        self.tuned.peft_config["default"].base_model_name_or_path = name
        self.tuned.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink()  # a model card to be filled in

    def merged(self) -> nn.Module:
        """The model with the adapter in its weights; on the CPU, where loading merges too."""
        return self.tuned.to("cpu").merge_and_unload()


def add_lora(model, recipe, seed: int, settings: dict, base: str) -> Adapter | None:
    """Freeze `model` and add the adapter that recipe.lora asks for, in place; None without one.

    Under bfloat16 the frozen linear layers are held in it: the very copies that autocast would
    make of them, without the float32 ones. base: what `model` was loaded from. UserError if a
    module that recipe.lora names is not there.
    """
    if recipe.lora is None:
        return None
    from peft import LoraConfig, get_peft_model  # seconds, so only where it is needed

    asked = recipe.lora
    config = LoraConfig(
        r=asked["rank"],
        lora_alpha=asked["alpha"],
        target_modules=asked["modules"],
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            tuned = get_peft_model(model, config)
        except ValueError as error:
            linear = (n for n, m in model.named_modules() if isinstance(m, nn.Linear))
            known = sorted({name.rpartition(".")[2] for name in linear})
            raise UserError(
                f"lora.modules: {asked['modules']} cannot be adapted ({error}). Linear layers "
                f"of this model: {', '.join(known)}; {ALL_LINEAR} takes all but the last"
            ) from None
    if settings["precision"] != "float32":
        _halve_frozen(model)
    return Adapter(tuned, base, asked["adapter"] == "keep")


def _halve_frozen(model) -> None:
    """Linear layers to bfloat16, as far as frozen and no view of the embedding, which autocast
    leaves in float32."""
    embedding = model.get_input_embeddings().weight
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for module in linear:
        if not (module.weight.requires_grad or module.weight is embedding):
            module.to(torch.bfloat16)


def load_adapted(model, folder: str) -> nn.Module:
    """`model` with the adapter of `folder` merged into its weights, all of them trainable."""
    from peft import PeftModel

    merged = PeftModel.from_pretrained(model, folder).merge_and_unload()
    return merged.requires_grad_(True)
