"""The methods of a config as far as they can be judged."""

from collections.abc import Iterator

from unlearning.config.layout import blocks
from unlearning.config.schema import REFUSED
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.registry import Losses, names, terms
from unlearning.methods.terms import Term


def known_methods(config: dict) -> Iterator[tuple[str, list[Term], list[dict], Losses]]:
    """Name, terms and blocks of hyper-parameters of each known method, and the losses it is of.

    A method that is not known, or whose block the schema refuses, is reported elsewhere.
    """
    losses, _ = own_methods(config["methods"])
    registered = set(names(losses))
    for name, entry in config["methods"].items():
        if name in registered and entry is not REFUSED:
            method_terms = [term for term in terms(name, losses) if term is not None]
            yield name, method_terms, blocks(hyper_block(entry)), losses
