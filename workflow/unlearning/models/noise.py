"""Add Gaussian noise to a model's weights."""

import torch


@torch.no_grad()
def add_noise(model, scale: float, seed: int) -> None:
    """Add to every parameter noise of `scale` times the parameter's root mean square, in place.

    The seed determines the noise, which is drawn on the CPU so that it does not depend on the
    device.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        # relative to the parameter, so that one scale suits norms, embeddings and matrices
        size = scale * parameter.float().square().mean().sqrt()
        parameter += (size * noise.to(parameter.device)).to(parameter.dtype)
