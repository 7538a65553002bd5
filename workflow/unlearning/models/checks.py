"""Check a model that transformers has loaded: tensor names, finite weights, causal attention."""

from collections.abc import Iterable

import torch

MAX_NAMES = 5  # in a message
PROBE_TOKENS = 8  # of the sequence that tests causality


def key_problems(model, info: dict) -> list[str]:
    """The problems of a model's tensors, from transformers' loading info."""
    architecture, prefix = type(model).__name__, f"{model.base_model_prefix}."
    # older files may contain buffers that the model now computes
    buffers = {name for name, _ in model.named_buffers()}
    buffers |= {name.removeprefix(prefix) for name in buffers}
    missing, unexpected = info["missing_keys"], set(info["unexpected_keys"]) - buffers
    problems = []
    if missing:
        problems.append(
            f"lacks tensors that {architecture} has ({len(missing)}): {first_names(missing)}"
        )
    if unexpected:
        problems.append(
            f"has tensors that do not belong to {architecture}, as config.json describes it "
            f"({len(unexpected)}): {first_names(unexpected)}"
        )
    # one advice for both lists: names with a prefix are not missing, and not unexpected
    if wrapper := _common_prefix(missing, unexpected):
        problems.append(
            f"has tensor names with {wrapper!r} before them: save the model itself rather than "
            "what wraps it (of an adapter, peft's merge_and_unload)"
        )
    elif problems:
        problems[-1] += ". Save the whole model anew, with the config.json that belongs to it"
    shapes = []
    for key, shape, config_shape in sorted(info["mismatched_keys"]):
        shapes.append(f"{key} is {list(shape)}, by config.json {list(config_shape)}")
    if shapes:
        problems.append(f"has tensors of other shapes ({len(shapes)}): {first_names(shapes)}")
    return problems


def _common_prefix(missing: set[str], unexpected: set[str]) -> str | None:
    """The prefix of all unexpected names before which they would be missing ones, or None."""
    if not missing or not unexpected:
        return None
    name = min(unexpected)
    prefixes = [name.removesuffix(key) for key in missing if name.endswith(key) and name != key]
    for prefix in sorted(prefixes, key=len):
        if all(key.startswith(prefix) for key in unexpected):
            return prefix
    return None


def number_problems(model) -> list[str]:
    """The problem of a model with NaN or infinite weights."""
    tensors = []
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.numel():
            extremes = torch.stack(tensor.aminmax())  # NaN if any weight is
            if not extremes.isfinite().all():
                tensors.append(f"{name} ({int((~tensor.isfinite()).sum())} of {tensor.numel()})")
    if not tensors:
        return []
    return [
        f"has weights that are NaN or infinite, in {len(tensors)} tensors: "
        f"{first_names(tensors)}. It may have collapsed in training: take an earlier state, or "
        "fetch it anew"
    ]


@torch.no_grad()
def causality_problems(model) -> list[str]:
    """The problem of a model whose logits are not finite or depend on later tokens.

    If they depend on later tokens it is no causal language model, whatever its configuration says,
    and its likelihoods mean nothing.
    """
    vocabulary = model.get_input_embeddings().weight.shape[0]
    # two sequences that differ in their last token alone: the logits before it must not differ
    ids = torch.arange(PROBE_TOKENS).remainder(vocabulary)[None]  # (1, T)
    changed_ids = ids.clone()
    changed_ids[0, -1] = (changed_ids[0, -1] + 1) % vocabulary
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    changed_logits = model(input_ids=changed_ids, use_cache=False).logits[0, :-1]
    if not logits.isfinite().all():
        return [
            "gives logits that are NaN or infinite, though its weights are finite: config.json "
            "has a value that does not belong to them"
        ]
    # a token that goes to another expert may change the rounding of its batch
    rounding = 8 * torch.finfo(logits.dtype).eps * float(logits.abs().max())
    if torch.allclose(logits, changed_logits, rtol=0, atol=rounding):
        return []
    return [
        f"is no causal language model: {type(model).__name__} sees tokens that come after the one "
        "it predicts. Take a decoder such as Llama, Qwen or Phi"
    ]


@torch.no_grad()
def randomness_problems(model) -> list[str]:
    """The problem of a model that draws random numbers in training though its dropout is off: a
    step would depend on more than seed and step."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(PROBE_TOKENS).remainder(vocabulary)[None]
    training = model.training
    # whatever draws advances the generator, whichever layer and configuration key it is
    with torch.random.fork_rng(devices=[]):
        state = torch.get_rng_state()
        model.train()(input_ids=ids, use_cache=False)
        unchanged = torch.equal(state, torch.get_rng_state())
    model.train(training)
    if unchanged:
        return []
    return [
        f"draws random numbers while it is trained ({type(model).__name__}; routers of experts may "
        "sample them), so results could not be repeated. Take a model of another family"
    ]


def first_names(names: Iterable[str]) -> str:
    """The first few names in sorted order, and the number of the others, for messages."""
    names = sorted(names)
    rest = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + rest
