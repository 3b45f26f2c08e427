"""Pixel values as models take them."""

import torch

from satseg.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, C, H, W] → float32 in [0, 1], channels last."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def normalise(images: torch.Tensor, scaling: str) -> torch.Tensor:
    """Float images in [0, 1] as the recipe's `scaling` wants them."""
    if scaling == "unit":
        return images
    if images.shape[1] != 3:
        raise UserError(
            f"scaling: 'imagenet' needs 3 bands, the images have {images.shape[1]}; use 'unit'"
        )
    mean, std = (images.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std
