"""Random changes of training tiles, drawn from (seed, epoch, tile) so that a rerun repeats them in
any order."""

import math

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.normalise import to_unit

GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue in the brightness of a pixel
STEEP = 1e30  # turns the smallest difference of two pixels into one beyond every pixel value


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
        images: uint8 [B, C, H, W], or float in [0, 1].
        masks: integer [B, H, W].
        tiles: tile numbers, integer [B]; with `seed` and `epoch` they determine the changes.
        settings: the changes that may occur.
        seed: seed of the run.
        epoch: number of the epoch.

    Returns:
        Images, float [B, C, H, W] in [0, 1], and masks; the arguments are left unchanged.
    """
    if settings == Augmentation(probability=settings.probability, everywhere=settings.everywhere):
        return (images if images.is_floating_point() else to_unit(images)), masks

    if images.is_floating_point():
        dtype = images.dtype
        white = 1
    else:
        dtype = torch.float32
        white = 255
    changed = torch.empty(images.shape, dtype=dtype, device=images.device)
    masks = masks.clone()

    # Tile by tile and plane by plane: all that a tile goes through stays in the processor's cache.
    for image, source, mask, tile in zip(changed, images, masks, tiles.tolist(), strict=True):
        hue, brightness, contrast, mirror_columns, mirror_rows = draw_changes(
            settings, seed, epoch, tile
        )

        axes = []
        if mirror_columns:
            axes.append(-1)
        if mirror_rows:
            axes.append(-2)
        image.copy_(source.flip(axes) if axes else source)
        if axes:
            mask.copy_(mask.flip(axes))

        if hue:
            shift_hue(image, hue)
        image.div_(white / brightness).clamp_(0, 1)
        if contrast != 1:
            means = image.mean((1, 2))
            mean = means @ means.new_tensor(GREY) if len(image) == 3 else means.mean()
            image.mul_(contrast).add_(mean * (1 - contrast)).clamp_(0, 1)

    return changed, masks


def shift_hue(image: torch.Tensor, turn: float) -> None:
    """Turn the hue of an image, float [3, H, W], in place by a share of the colour circle; images
    of other bands stay as they are.

    Over each sixth of the circle one channel leaves, or reaches, the pixel's highest or lowest
    value with a slope of its chroma; from there on the slope belongs to the next channel. So no hue
    has to be computed, and no pixel has to be sorted into a sixth.
    """
    if len(image) != 3:
        return

    red, green, blue = image if turn > 0 else image[[0, 2, 1]]
    sixths = abs(6 * turn)
    steps = math.ceil(sixths)
    share = sixths / steps

    top = torch.maximum(red, green).maximum(blue)
    low = torch.minimum(red, green).minimum(blue)
    falling = torch.lerp(top, low, share)
    rising = torch.lerp(low, top, share)
    if share <= 0.5:
        bounds = (rising, falling)
        slope = STEEP
    else:
        bounds = (falling, rising)
        slope = -STEEP

    def step(channel: torch.Tensor, after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        # Falling where `after` is above `before`, else rising; `torch.where` would cost more than
        # everything else.
        change = (after - before).mul_(slope).clamp_(*bounds)
        return change.add_(channel).sub_(after).clamp_(low, top)

    for _ in range(steps):
        turned = [step(red, green, blue), step(green, blue, red), step(blue, red, green)]
        red, green, blue = turned

    planes = (red, green, blue) if turn > 0 else (red, blue, green)
    for plane, channel in zip(image, planes, strict=True):
        plane.copy_(channel)


def draw_changes(
    settings: Augmentation, seed: int, epoch: int, tile: int
) -> tuple[float, float, float, bool, bool]:
    """Hue shift, brightness and contrast factors, and whether to mirror columns and rows, for one
    tile in one epoch."""
    rng = np.random.default_rng([seed, epoch, tile])

    # Always the same draws, so that enabling one change leaves the others as they were.
    happens = rng.random(5) < settings.probability
    largest = (settings.hue, settings.brightness, settings.contrast)
    hue, brightness, contrast = (rng.uniform(-1, 1, 3) * largest * happens[:3]).tolist()

    return (
        hue,
        1 + brightness,
        1 + contrast,
        bool(happens[3] and settings.hflip),
        bool(happens[4] and settings.vflip),
    )
