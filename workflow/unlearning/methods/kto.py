"""KTO: forget answers are undesirable; "I don't know" answers set the reference point."""

from torch import Tensor
from torch.nn.functional import logsigmoid, sigmoid

from unlearning.methods.sequences import Batch


def _margin(batch: Batch, beta: float) -> Tensor:
    """(B,) z - β (log p - log p_ref) of the forget rows.

    z is the log-ratio of the idk row, without gradient. The released code averages it over its
    micro-batch, which `pool` does; one row at a time it is the pair's own.
    """
    forget, idk = batch.forget, batch.idk
    z = (idk.reference_nll - idk.nll).detach()
    if batch.pool:
        z = z.mean()
    return z - beta * (forget.reference_nll - forget.nll)


def kto(batch: Batch, beta: float) -> Tensor:
    """KTO: 1 - (2/β) log σ(z - β (log p - log p_ref)). Returns (B,).

    Paper: NPO (arXiv 2404.05868) §5.1. Reference: `kto_logsigmoid` in OPTML-Group/Unlearn-Simple.
    """
    return 1 - 2 / beta * logsigmoid(_margin(batch, beta))


def kto_sigmoid(batch: Batch, beta: float) -> Tensor:
    """KTO with a plain sigmoid: 1 - (2/β) σ(z - β (log p - log p_ref)). Returns (B,).

    Paper: KTO (arXiv 2402.01306). Reference: `kto_sigmoid` in OPTML-Group/Unlearn-Simple.
    """
    return 1 - 2 / beta * sigmoid(_margin(batch, beta))
