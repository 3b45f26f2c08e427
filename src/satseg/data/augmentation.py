"""Random changes of training tiles, drawn from (seed, epoch, tile) so that a rerun repeats them in
any order."""

import math
from typing import NamedTuple

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.labels import NO_LABEL
from satseg.data.normalise import to_unit
from satseg.devices import constant, queues, send

GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue in the brightness of a pixel
STEEP = 1e30  # turns the smallest difference of two pixels into one beyond every pixel value


SMALLEST = 1e-12  # below any chroma; grey pixels have none to divide by


class Changes(NamedTuple):
    """What happens to one tile in one epoch."""

    hue: float
    """Turn, as a share of the colour circle."""
    brightness: float
    """Factor."""
    contrast: float
    """Factor."""
    mirror_columns: bool
    mirror_rows: bool


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
        tiles: tile numbers on the host, integer [B]; with `seed` and `epoch` they determine the
            changes.
        settings: the changes that may occur.
        seed: seed of the run.
        epoch: number of the epoch.

    Returns:
        Images, float [B, C, H, W] in [0, 1], and masks; the arguments are left unchanged.
    """
    if settings == Augmentation(probability=settings.probability, everywhere=settings.everywhere):
        return (images if images.is_floating_point() else to_unit(images)), masks

    changes = [draw_changes(settings, seed, epoch, tile) for tile in tiles.tolist()]
    if queues(images.device):
        return change_batch(images, masks, changes)
    return _change_tiles(images, masks, changes)


def _change_tiles(
    images: torch.Tensor, masks: torch.Tensor, changes: list[Changes]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tile by tile and plane by plane: all that a tile goes through stays in a CPU's cache."""
    if images.is_floating_point():
        dtype = images.dtype
        white = 1
    else:
        dtype = torch.float32
        white = 255
    changed = torch.empty(images.shape, dtype=dtype, device=images.device)
    masks = masks.clone()

    for image, source, mask, change in zip(changed, images, masks, changes, strict=True):
        axes = []
        if change.mirror_columns:
            axes.append(-1)
        if change.mirror_rows:
            axes.append(-2)
        image.copy_(source.flip(axes) if axes else source)
        if axes:
            mask.copy_(mask.flip(axes))

        if change.hue:
            shift_hue(image, change.hue)
        image.div_(white / change.brightness).clamp_(0, 1)
        contrast = change.contrast
        if contrast != 1:
            change_contrast(image, contrast, shown(image, mask))

    return changed, masks


def change_batch(
    images: torch.Tensor, masks: torch.Tensor, changes: list[Changes]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same changes of all tiles at once: on a GPU the number of operations is what costs, so
    every tile goes through those that any of the tiles needs; the numbers differ by rounding.

    Args:
        images: as for `augment`.
        masks: as for `augment`.
        changes: those of each tile [B].
    """
    white = 1 if images.is_floating_point() else 255
    table = np.array(changes, np.float32)
    table[:, 1] /= white
    sent = send(table.T[..., None, None, None].copy(), images.device)
    hue, brightness, contrast = sent[:3].unbind()
    mirror_columns, mirror_rows = (sent[3:] > 0).unbind()

    # Image and mask are mirrored as one.
    packed = torch.cat([images, masks[:, None]], 1)
    if any(change.mirror_columns for change in changes):
        packed = torch.where(mirror_columns, packed.flip(-1), packed)
    if any(change.mirror_rows for change in changes):
        packed = torch.where(mirror_rows, packed.flip(-2), packed)
    labels = packed[:, -1:].to(masks.dtype)
    dtype = images.dtype if images.is_floating_point() else torch.float32
    unit = packed[:, :-1].to(dtype, memory_format=torch.channels_last)

    if images.shape[1] == 3 and any(change.hue for change in changes):
        unit = shift_hues(unit, hue)
    unit = (unit * brightness).clamp_(0, 1)
    if any(change.contrast != 1 for change in changes):
        unit = change_contrasts(unit, contrast, labels)
    return unit, labels[:, 0]


def shift_hues(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Images float [B, 3, H, W] whose hues are turned by shares of the colour circle [B, 1, 1, 1].

    In sixths of the circle, counted from the colour of which a pixel has most, its hue is the
    difference of the two other channels over its chroma. A channel is at its highest within a sixth
    of its own hue, at its lowest from two sixths on, and on a slope in between.
    """
    top, strongest = images.max(1, keepdim=True)
    chroma = top - images.amin(1, keepdim=True)
    others = images.roll(-1, 1) - images.roll(1, 1)
    hues = others.gather(1, strongest) / chroma.clamp(min=SMALLEST)
    hues = torch.add(hues, strongest, alpha=2).add_(turns, alpha=6)

    own = constant((0, 2, 4), images.device, images.dtype)[:, None, None]
    # Distance on the circle from the hue opposite to a channel's own.
    opposite = (torch.remainder(hues - own, 6) - 3).abs_()
    return torch.addcmul(top, chroma, (2 - opposite).clamp_(0, 1), value=-1)


def change_contrasts(
    images: torch.Tensor, factors: torch.Tensor, masks: torch.Tensor
) -> torch.Tensor:
    """What `change_contrast` makes of each image float [B, C, H, W], by factors [B, 1, 1, 1]; masks
    are integer [B, 1, H, W]."""
    pixels = (masks != NO_LABEL) | images.any(1, keepdim=True)
    sums = images.sum((2, 3))  # the other pixels are 0
    if images.shape[1] == 3:
        # 32-bit, as mixed precision would not have it.
        with torch.autocast(images.device.type, enabled=False):
            sums = sums @ constant(GREY, images.device, images.dtype)
    else:
        sums = sums.mean(1)
    means = sums[:, None, None, None] / pixels.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.lerp(means * pixels, images, factors.to(images.dtype)).clamp_(0, 1)


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


def draw_changes(settings: Augmentation, seed: int, epoch: int, tile: int) -> Changes:
    """What happens to a tile; arguments as for `augment`."""
    rng = np.random.default_rng([seed, epoch, tile])

    # Always the same draws, so that enabling one change leaves the others as they were.
    happens = rng.random(5) < settings.probability
    largest = (settings.hue, settings.brightness, settings.contrast)
    hue, brightness, contrast = (rng.uniform(-1, 1, 3) * largest * happens[:3]).tolist()

    return Changes(
        hue,
        1 + brightness,
        1 + contrast,
        bool(happens[3] and settings.hflip),
        bool(happens[4] and settings.vflip),
    )
