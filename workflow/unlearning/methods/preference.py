"""Preference losses: DPO, AltPO, NPO and SimNPO. L is a row's summed negative log-likelihood."""

from torch import Tensor
from torch.nn.functional import logsigmoid

from unlearning.methods.sequences import Batch, Sequences


def _log_ratio(sequences: Sequences) -> Tensor:
    """(B,) log p(y|x) - log p_ref(y|x), both summed over tokens."""
    # of the reference model: nll is -log p, so the signs swap
    return sequences.reference_nll - sequences.nll


def dpo(batch: Batch, beta: float) -> Tensor:
    """DPO: -(2/β) log σ(β (r_idk - r_forget)), r = log p - log p_ref. Returns (B,).

    "I don't know" is preferred to the true answer. Paper: NPO (arXiv 2404.05868) §5.1.
    Reference: `dpo` in OPTML-Group/Unlearn-Simple.
    """
    return -2 / beta * logsigmoid(beta * (_log_ratio(batch.idk) - _log_ratio(batch.forget)))


def altpo(batch: Batch, beta: float) -> Tensor:
    """AltPO: DPO whose preferred answer is a plausible false one. Returns (B,).

    -(2/β) log σ(β (r_alternative - r_forget)), r = log p - log p_ref. Paper: Alternate Preference
    Optimization (arXiv 2409.13474) eq. 4. Reference: `DPO` on alternate answers in
    locuslab/open-unlearning (community/methods/AltPO).
    """
    margin = _log_ratio(batch.alternative) - _log_ratio(batch.forget)
    return -2 / beta * logsigmoid(beta * margin)


def npo(batch: Batch, beta: float) -> Tensor:
    """NPO: -(2/β) log σ(-β (log p - log p_ref)) = -(2/β) log σ(β (L - L_ref)). Returns (B,).

    DPO without a preferred answer; tends to gradient ascent as β → 0.
    Paper: NPO (arXiv 2404.05868) eq. 3. Reference: `npo` in OPTML-Group/Unlearn-Simple.
    """
    return -2 / beta * logsigmoid(-beta * _log_ratio(batch.forget))


def npo_token_mean(batch: Batch, beta: float) -> Tensor:
    """NPO-WMDP: -(2/β) log σ(β (L - L_ref) / |y|), as the WMDP runs were made. Returns (B,).

    Paper: SimNPO (arXiv 2410.07163) §6, whose WMDP code passes token means where NPO sums.
    Reference: `npo` in the WMDP folder of OPTML-Group/Unlearn-Simple.
    """
    mean = -_log_ratio(batch.forget) / batch.forget.tokens  # (L - L_ref) / |y|
    return -2 / beta * logsigmoid(beta * mean)


def simnpo(batch: Batch, beta: float, gamma: float) -> Tensor:
    """SimNPO: -(2/β) log σ(β (L/|y| - γ)). Returns (B,).

    No reference model; the likelihood is normalised by the answer's length |y|, end-of-sequence
    included. γ is multiplied by β, as in the released code; SimNPO-paper has it as printed.
    Paper: SimNPO (arXiv 2410.07163) eq. 4. Reference: `simnpo` in OPTML-Group/Unlearn-Simple.
    """
    mean_nll = batch.forget.nll / batch.forget.tokens
    # as released, γ is a margin of the mean loss; as printed, of β times it
    return -2 / beta * logsigmoid(beta * (mean_nll - gamma))


def simnpo_as_printed(batch: Batch, beta: float, gamma: float) -> Tensor:
    """SimNPO-paper: -(2/β) log σ(β L/|y| - γ), γ outside β. Returns (B,).

    Paper: SimNPO (arXiv 2410.07163) eq. 4. Reference: none released; equals `simnpo` at γ/β.
    """
    mean_nll = batch.forget.nll / batch.forget.tokens
    return -2 / beta * logsigmoid(beta * mean_nll - gamma)
