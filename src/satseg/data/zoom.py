"""Tiles enlarged, or shrunk within their frame."""

import torch
from torch.nn.functional import affine_grid, grid_sample

from satseg.data.labels import NO_LABEL


def zoom(
    images: torch.Tensor, masks: torch.Tensor, factors: torch.Tensor, shifts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Resample tiles: bilinear images, the nearest label.

    Args:
        images: float [B, C, H, W].
        masks: integer [B, 1, H, W], 255 where there is no label.
        factors: of each tile [B, 1]; above 1 it is enlarged, below 1 it shrinks and the rest of the
            frame becomes padding.
        shifts: how far from the middle the view is, across and down, as a share of what is left
            to choose [B, 2], -1 to 1.
    """
    inverse = 1 / factors
    nothing = torch.zeros_like(inverse)
    centers = shifts * (1 - inverse)
    rows = [inverse, nothing, centers[:, :1], nothing, inverse, centers[:, 1:]]
    grid = affine_grid(torch.cat(rows, 1).reshape(-1, 2, 3), list(masks.shape), False)
    grid = grid.to(images.dtype)

    zoomed = grid_sample(images, grid, "bilinear", "zeros", False)
    # Counted from the value of padding, because outside the frame the result is 0.
    labels = (masks.to(images.dtype) - NO_LABEL).contiguous()
    labels = grid_sample(labels, grid, "nearest", "zeros", False) + NO_LABEL
    return zoomed, labels.round().to(masks.dtype)
