"""Read names, shapes and number types of a model folder's tensors without their content."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from unlearning.models.checks import first_names

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
Headers = dict[str, tuple[list[int], str]]  # tensor -> shape and number type


def read_headers(folder: Path) -> tuple[Headers | None, list[str]]:
    """The tensors of the safetensors files that transformers will read, or None if a file cannot be
    read; and the problems of these files."""
    if (folder / WEIGHTS).is_file():  # which transformers takes before an index
        names = [WEIGHTS]
    elif (folder / INDEX).is_file():
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            names = sorted(set(index["weight_map"].values()))
            missing = [name for name in names if not (folder / name).is_file()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return None, [f"has an index of its weights that cannot be read: {INDEX} ({error!r})"]
        if not names:
            return None, [f"has an index of its weights that names no file: {INDEX}"]
        if missing:
            return None, [
                f"lacks {first_names(missing)}, which {INDEX} names: copy the folder anew"
            ]
    else:
        return None, [_missing_weights(folder)]
    headers: Headers = {}
    problems = []
    for name in names:
        try:
            with safe_open(folder / name, "pt") as file:
                for key in file.keys():  # noqa: SIM118 (no mapping)
                    tensor = file.get_slice(key)
                    headers[key] = (tensor.get_shape(), tensor.get_dtype())
        except (SafetensorError, OSError) as error:
            size = (folder / name).stat().st_size
            problems.append(
                f"has a damaged file of weights: {name}, {size} bytes ({error}). Copy it anew"
            )
    return (None if problems else headers), problems


def _missing_weights(folder: Path) -> str:
    """The problem of a folder without safetensors files."""
    names = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    pickles = []
    for pattern in PICKLES:
        pickles += [path.name for path in folder.glob(pattern)]
    advice = "copy it anew"
    if pickles:
        advice = (
            f"{first_names(pickles)} may run any code when it is read. Convert it where you trust "
            "it: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )
    return (
        f"lacks weights as *.safetensors ({WEIGHTS}, or shards that {INDEX} names); it holds "
        f"{names}: {advice}"
    )
