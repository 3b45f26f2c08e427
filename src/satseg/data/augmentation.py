"""Random changes of training tiles, drawn from (seed, epoch, tile) so that a rerun repeats them in any order."""

import numpy as np
import torch
from torchvision.transforms.v2.functional import adjust_hue, rgb_to_grayscale

from satseg.config import Augmentation


def augment(
    images: torch.Tensor,
    masks: torch.Tensor,
    tiles: torch.Tensor,
    settings: Augmentation,
    seed: int,
    epoch: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch.

    Args:
        images: float [B, C, H, W] in [0, 1].
        masks: integer [B, H, W].
        tiles: integer [B]; with `seed` and `epoch` they decide what is done.
        settings: what may be done.

    Returns:
        Images and masks of the same shapes and types.
    """
    if settings == Augmentation(probability=settings.probability):
        return images, masks
    draws = np.stack([_draw(settings, seed, epoch, int(tile)) for tile in tiles])
    hue, brightness, contrast, hflip, vflip = torch.from_numpy(draws).to(images.device).T
    factor = [f.to(images.dtype)[:, None, None, None] for f in (brightness, contrast)]
    for i in torch.nonzero(hue).flatten().tolist():
        images = images.index_copy(
            0, torch.tensor([i], device=images.device), adjust_hue(images[i : i + 1], float(hue[i]))
        )
    images = (images * factor[0]).clamp(0, 1)
    if settings.contrast:
        grey = rgb_to_grayscale(images) if images.shape[1] == 3 else images.mean(1, keepdim=True)
        mean = grey.mean((1, 2, 3), keepdim=True)
        images = (mean + (images - mean) * factor[1]).clamp(0, 1)
    for chosen, dim in ((hflip > 0, -1), (vflip > 0, -2)):
        images = torch.where(chosen[:, None, None, None], images.flip(dim), images)
        masks = torch.where(chosen[:, None, None], masks.flip(dim), masks)
    return images, masks


def _draw(settings: Augmentation, seed: int, epoch: int, tile: int) -> np.ndarray:
    """Hue shift, brightness and contrast factors, and whether to mirror, for one tile in one epoch."""
    rng = np.random.default_rng([seed, epoch, tile])
    # Always the same draws, so that switching one change on leaves the others as they were.
    chosen = rng.random(5) < settings.probability
    shift = rng.uniform(-1, 1, 3) * (settings.hue, settings.brightness, settings.contrast)
    return np.array([
        shift[0] * chosen[0],
        1 + shift[1] * chosen[1],
        1 + shift[2] * chosen[2],
        chosen[3] and settings.hflip,
        chosen[4] and settings.vflip,
    ])  # fmt: skip
