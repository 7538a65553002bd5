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
    known = set(names(losses))
    for name, stated in config["methods"].items():
        if name in known and stated is not REFUSED:
            used = [term for term in terms(name, losses) if term is not None]
            yield name, used, blocks(hyper_block(stated)), losses
