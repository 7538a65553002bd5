"""Restore the base model of a GGUF file to full weights, as an ordinary model folder."""

from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from pathlib import Path

from unlearning.assets.gguf import read_fields
from unlearning.files import sha256
from unlearning.models.folder import save_model
from unlearning.models.restore import restore_model
from unlearning.training.session import run_origin


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--gguf", type=Path, required=True, help="GGUF file of the base model")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")


def run(args: Namespace) -> None:
    """Read the file and save the model in float32, with its source in run.json."""
    model, tokenizer = restore_model(args.gguf)
    source = {
        "file": args.gguf.name,
        "bytes": args.gguf.stat().st_size,
        "sha256": sha256(args.gguf),
        "quantisation": read_fields(args.gguf)["quantisation"],
    }
    origin = run_origin()
    origin["versions"]["gguf"] = version("gguf")
    save_model(args.out, model, tokenizer, {"stage": "restore", "source": source, **origin})
    parameters = sum(weights.numel() for weights in model.parameters())
    print(f"{args.gguf.name}, sha256 {source['sha256']}: {parameters:,} parameters in float32")
