"""`python -m unlearning STAGE ...`: what each rule's shell line calls."""

import argparse
import importlib
import sys

from unlearning.errors import UserError

STAGES = {
    "data": "write the tables of a world: splits, perturbed sets, answers of ignorance",
    "pretrain": "train a tokenizer and a small base model from random weights",
    "finetune": "fine-tune the base on a table: the target model, or a retrained model",
    "reference": "log-probabilities of the forget set under the target model",
    "unlearn": "unlearn the forget set with one method and seed",
    "relearn": "attack an unlearned model by fine-tuning on a part of the forget set",
    "evaluate": "evaluate one model on the sets of a forget split",
    "report": "tables, figures, claims and the page",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; the exit status is 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m unlearning", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    given = arguments if arguments is not None else sys.argv[1:]
    for name, summary in STAGES.items():
        stage = stages.add_parser(name, help=summary, description=summary)
        if given[:1] == [name]:  # only the stage that runs is imported
            module = importlib.import_module(f"unlearning.stages.{name}")
            module.add_arguments(stage)
    parsed = parser.parse_args(given)
    try:
        module.run(parsed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
