"""Random changes of training tiles, drawn from (seed, epoch, tile) so that a rerun repeats them in
any order."""

import math

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.labels import NO_LABEL
from satseg.data.normalise import to_unit

GREY = (0.2989, 0.587, 0.114)  # of red, green and blue in the brightness that contrast changes keep
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
        masks: integer [B, H, W], 255 where there is no label.
        tiles: integer [B]; with `seed` and `epoch` they decide what is done.
        settings: what may be done.

    Returns:
        Images, float [B, C, H, W] in [0, 1], and masks; the arguments stay as they are.
    """
    if settings == Augmentation(probability=settings.probability, everywhere=settings.everywhere):
        return (images if images.is_floating_point() else to_unit(images)), masks
    kind, scale = (images.dtype, 1) if images.is_floating_point() else (torch.float32, 255)
    # Plane by plane, and tile by tile: what a tile goes through stays in the processor's cache.
    changed = torch.empty(images.shape, dtype=kind, device=images.device)
    masks = masks.clone()
    for image, source, mask, tile in zip(changed, images, masks, tiles.tolist(), strict=True):
        hue, brightness, contrast, *mirrored = draw_changes(settings, seed, epoch, tile)
        axes = [axis for axis, chosen in zip((-1, -2), mirrored, strict=True) if chosen]
        image.copy_(source.flip(axes) if axes else source)
        if axes:
            mask.copy_(mask.flip(axes))
        if hue:
            shift_hue(image, hue)
        image.div_(scale / brightness).clamp_(0, 1)
        if contrast != 1:
            change_contrast(image, contrast, shown(image, mask))
    return changed, masks


def shown(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pixels that show ground, bool [H, W]: all but the padding, which has no label and is 0 in
    every band."""
    return (mask != NO_LABEL) | image.any(0)


def change_contrast(image: torch.Tensor, factor: float, pixels: torch.Tensor) -> None:
    """Move an image float [C, H, W], in place, away from the mean brightness of these pixels, bool
    [H, W], or towards it; other pixels stay."""
    number = pixels.sum().clamp(min=1)
    means = (image * pixels).sum((1, 2)) / number
    mean = means @ means.new_tensor(GREY) if len(image) == 3 else means.mean()
    image.mul_(factor).add_(mean * (1 - factor) * pixels).clamp_(0, 1)


def shift_hue(image: torch.Tensor, turn: float) -> None:
    """Turn the hue of an image float [3, H, W], in place, by a share of the colour circle; other
    images stay.

    Over a sixth of the circle a channel first leaves, or reaches, the pixel's highest or lowest
    value with a slope
    of its chroma. From where the pixel was, that slope starts at the channel that comes after: so
        no hue has to be
    computed, no pixel be sorted into a sixth.
    """
    if len(image) != 3:
        return
    red, green, blue = image if turn > 0 else image[[0, 2, 1]]
    sixths = abs(6 * turn)
    steps = math.ceil(sixths)
    share = sixths / steps
    top, low = torch.maximum(red, green).maximum(blue), torch.minimum(red, green).minimum(blue)
    falling, rising = torch.lerp(top, low, share), torch.lerp(low, top, share)
    lower, upper, sign = (rising, falling, 1) if share <= 0.5 else (falling, rising, -1)
    for _ in range(steps):
        # Falling where `after` is above `before`, else rising; `torch.where` would cost more than
        # all the rest.
        red, green, blue = (
            (after - before)
            .mul_(sign * STEEP)
            .clamp_(lower, upper)
            .add_(channel)
            .sub_(after)
            .clamp_(low, top)
            for channel, after, before in (
                (red, green, blue),
                (green, blue, red),
                (blue, red, green),
            )
        )
    for plane, channel in zip(
        image, (red, green, blue) if turn > 0 else (red, blue, green), strict=True
    ):
        plane.copy_(channel)


def draw_changes(
    settings: Augmentation, seed: int, epoch: int, tile: int
) -> tuple[float, float, float, bool, bool]:
    """Hue shift, brightness and contrast factors, and whether to mirror, for one tile in one
    epoch."""
    rng = np.random.default_rng([seed, epoch, tile])
    # Always the same draws, so that switching one change on leaves the others as they were.
    chosen = rng.random(5) < settings.probability
    shift = (
        rng.uniform(-1, 1, 3) * (settings.hue, settings.brightness, settings.contrast) * chosen[:3]
    )
    hue, brightness, contrast = shift.tolist()
    return (
        hue,
        1 + brightness,
        1 + contrast,
        bool(chosen[3] and settings.hflip),
        bool(chosen[4] and settings.vflip),
    )
