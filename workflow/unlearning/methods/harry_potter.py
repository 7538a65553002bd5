"""WHP (Who-is-Harry-Potter): learn the forget set, then avoid what that made more likely."""

from unlearning.models.combined import Combined, check_heads


def combine(model, start, alpha: float) -> Combined:
    """The unlearned model: z_start - α relu(z - z_start), z the logits of the reinforced `model`.

    `start` is the target model that training began at. Paper: arXiv 2310.02238, in MUSE (arXiv
    2407.06460) §4. Reference: whos_harry_potter.py in jaechan-repo/muse_bench, which combines the
    logits while the model answers, as here; the paper also teaches a model what they say.
    """
    check_heads(start)
    return Combined(start, model, alpha)
