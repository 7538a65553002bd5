"""Compute log-probabilities of the forget set under the reference model, once for all runs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.evaluation.likelihood import Likelihood
from unlearning.evaluation.processes import gather_sharded
from unlearning.files import write_json
from unlearning.models.encoder import make_encoder
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.models.noise import add_noise
from unlearning.stages.arguments import add_settings
from unlearning.training.session import encode_table, make_accelerator, master_dtype


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="folder or hub id of the reference model")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", help="forget split; by default the only one")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    add_settings(parser, lambda experiment, args: experiment.reference_settings())


def run(args: Namespace) -> None:
    """Score the forget rows, encoded as stage unlearn encodes them."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    model = load_model(args.model, master_dtype(settings))
    if "noise" in settings:
        add_noise(model, **settings["noise"])
    model.to(accelerator.device)
    encoder = make_encoder(load_tokenizer(args.model), settings, settings["max_length"], model)
    examples = encode_table(encoder, args.data / f"{args.split}.json", accelerator)
    # under autocast as in training, so that a run's log-ratios are 0 at its first step
    likelihood = Likelihood(model)
    with accelerator.autocast():
        scores = gather_sharded(accelerator, examples, likelihood)
    # with the numbers of tokens, by which stage unlearn sees that the rows are its own
    record = {"nll": [s.nll for s in scores], "tokens": [s.tokens for s in scores]}
    if accelerator.is_main_process:
        write_json(args.out, record, indent=None)
