"""What is wrong with a model that transformers has loaded: its tensors, its numbers, its sight."""

from collections.abc import Iterable

import torch

NAMED = 5  # names that a message tells of many
SEEN = 8  # tokens that causality is tried on


def key_problems(model, info: dict) -> list[str]:
    """What transformers' loading info says against a model's tensors; empty if all is well.

    Tensors that the model computes itself (buffers that are not saved) may stand in older files.
    """
    architecture, prefix = type(model).__name__, f"{model.base_model_prefix}."
    computed = {name for name, _ in model.named_buffers()}
    computed |= {name.removeprefix(prefix) for name in computed}
    missing, foreign = info["missing_keys"], set(info["unexpected_keys"]) - computed
    problems = []
    if missing:
        problems.append(f"lacks tensors that {architecture} has ({len(missing)}): {named(missing)}")
    if foreign:
        problems.append(
            f"holds tensors that {architecture}, as config.json describes it, has not "
            f"({len(foreign)}): {named(foreign)}"
        )
    if added := _added(missing, foreign):
        problems.append(
            f"has tensor names with {added!r} before them: save the model itself rather than what "
            "wraps it (of an adapter, peft's merge_and_unload)"
        )
    elif problems:
        problems[-1] += ". Save the whole model anew, with the config.json that belongs to it"
    shapes = [
        f"{key} is {list(found)}, by config.json {list(wanted)}"
        for key, found, wanted in sorted(info["mismatched_keys"])
    ]
    if shapes:
        problems.append(f"holds tensors of other shapes ({len(shapes)}): {named(shapes)}")
    return problems


def _added(missing: set[str], foreign: set[str]) -> str | None:
    """What stands before every foreign name, so that it is no missing one; None for nothing."""
    if not missing or not foreign:
        return None
    name = min(foreign)
    endings = [name[: -len(key)] for key in missing if name.endswith(key) and name != key]
    for added in sorted(endings, key=len):
        if all(key.startswith(added) for key in foreign):
            return added
    return None


def number_problems(model) -> list[str]:
    """Tensors that hold NaN or Inf."""
    spoilt = []
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.numel():
            ends = torch.stack(tensor.aminmax())  # NaN goes through
            if not ends.isfinite().all():
                spoilt.append(f"{name} ({int((~tensor.isfinite()).sum())} of {tensor.numel()})")
    if not spoilt:
        return []
    return [
        f"holds weights that are NaN or infinite, in {len(spoilt)} tensors: {named(spoilt)}. It "
        "may have collapsed in training: take an earlier state, or fetch it anew"
    ]


@torch.no_grad()
def sight_problems(model) -> list[str]:
    """Whether a model's logits are numbers, and whether they depend on tokens to come: then it is
    no causal language model, whatever its configuration calls it, and likelihoods mean nothing."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(SEEN).remainder(vocabulary)[None]
    changed = ids.clone()
    changed[0, -1] = (changed[0, -1] + 1) % vocabulary
    before, after = (model(input_ids=row, use_cache=False).logits[0, :-1] for row in (ids, changed))
    if not before.isfinite().all():
        return [
            "gives logits that are NaN or infinite, though its weights are finite: config.json "
            "holds a value that does not belong to them"
        ]
    # where a token goes to another expert, rows of its batch may be rounded otherwise
    rounding = 8 * torch.finfo(before.dtype).eps * float(before.abs().max())
    if torch.allclose(before, after, rtol=0, atol=rounding):
        return []
    return [
        f"is no causal language model: {type(model).__name__} sees tokens that come after the one "
        "it predicts. Take a decoder such as Llama, Qwen or Phi"
    ]


def named(names: Iterable[str]) -> str:
    """The first few names of many, sorted."""
    names = sorted(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
