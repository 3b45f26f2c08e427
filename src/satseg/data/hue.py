"""Turning the hues of images."""

import math

import torch

from satseg.devices import constant

STEEP = 1e30  # turns the smallest difference of two pixels into one beyond every pixel value
SMALLEST = 1e-12  # below any chroma; grey pixels have none to divide by


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
