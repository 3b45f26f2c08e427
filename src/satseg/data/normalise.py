"""Pixel values as models take them."""

import torch

from satseg.devices import constant
from satseg.errors import UserError

# Of red, green and blue, in [0, 1].
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, C, H, W] → float32 in [0, 1], channels last."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def normalise(images: torch.Tensor, scaling: str) -> torch.Tensor:
    """Float images [B, C, H, W] in [0, 1] → as the recipe's `scaling` asks.

    Raises:
        UserError: `imagenet` with other than three bands.
    """
    if scaling == "unit":
        return images

    if images.shape[1] != 3:
        raise UserError(
            f"scaling: 'imagenet' needs 3 bands, the images have {images.shape[1]}; use 'unit'"
        )
    mean = constant(IMAGENET_MEAN, images.device, images.dtype)
    std = constant(IMAGENET_STD, images.device, images.dtype)
    return (images - mean[:, None, None]) / std[:, None, None]
