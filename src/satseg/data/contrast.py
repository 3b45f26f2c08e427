"""Changing the contrast of images, and which of their pixels show ground."""

import torch

from satseg.data.labels import NO_LABEL
from satseg.devices import constant

GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue in the brightness of a pixel


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


def change_contrast(image: torch.Tensor, factor: float, mask: torch.Tensor) -> None:
    """Move an image float [C, H, W], in place, away from the mean brightness of its ground, or
    towards it; the padding stays. The mask is integer [H, W]."""
    if mask.max() != NO_LABEL:  # the usual case, in two passes less
        pixels: int | torch.Tensor = 1
        number: int | torch.Tensor = mask.numel()
        sums = image.sum((1, 2))
    else:
        pixels = shown(image, mask)
        number = pixels.sum().clamp(min=1)
        sums = (image * pixels).sum((1, 2))
    means = sums / number
    mean = means @ means.new_tensor(GREY) if len(image) == 3 else means.mean()
    image.mul_(factor).add_(mean * (1 - factor) * pixels).clamp_(0, 1)
