"""Another season, another scene's colours, other saturation: changes of a pixel's colour by itself.

The list is ours: the one of LandCover.ai's authors was not at hand."""

import numpy as np
import torch

from satseg.data.contrast import GREY
from satseg.devices import constant

# How much greener than grey, or redder than blue, a pixel has to be to count in full as vegetation
# or bare ground: what satellite images show is pale.
GREEN = 0.1
WARM = 0.15
# Leaves in autumn, snow and frost: red, green and blue for each unit of brightness.
AUTUMN = (1.2, 0.94, 0.62)
FROST = (0.99, 1.0, 1.03)
# Of a colour at full strength.
LEAVES_TURNED = 0.75
GROUND_PALED = 0.55
# A low sun at full strength: red and blue light, gamma, contrast.
LOW_SUN = np.diag([1.04, 1.0, 0.92])
LOW_SUN_GAMMA = 1.25
LOW_SUN_CONTRAST = 1.2

SMALLEST = 1e-3  # brightness below which a pixel has no hue


def colour_matrix(saturation: float, low_sun: float, exchange: np.ndarray | None) -> np.ndarray:
    """What multiplies a pixel (red, green, blue, 1): float64 [3, 4].

    Args:
        saturation: factor.
        low_sun: strength, 0 to 1.
        exchange: a matrix [3, 4] that comes first, or None.
    """
    grey = np.tile(np.array(GREY) / sum(GREY), (3, 1))
    matrix = grey + saturation * (np.eye(3) - grey)
    matrix = matrix @ (np.eye(3) + low_sun * (LOW_SUN - np.eye(3)))
    return matrix @ (np.eye(3, 4) if exchange is None else exchange)


def recolour(images: torch.Tensor, shown: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Multiply each pixel by its tile's matrix; padding stays black.

    Args:
        images: float [B, 3, H, W] in [0, 1].
        shown: pixels that show ground, bool [B, 1, H, W].
        matrices: float [B, 3, 4].
    """
    # 32-bit, as mixed precision would not have it.
    with torch.autocast(images.device.type, enabled=False):
        pixels = matrices[:, :, :3] @ images.flatten(2)
        moved = pixels.view_as(images) + matrices[:, :, 3:, None] * shown
    return moved.clamp_(0, 1)


def change_season(images: torch.Tensor, autumn: torch.Tensor, winter: torch.Tensor) -> torch.Tensor:
    """Vegetation in the colours of autumn; vegetation and bare ground paled by winter.

    Args:
        images: float [B, 3, H, W] in [0, 1].
        autumn, winter: strengths of each tile, 0 to 1 [B, 1, 1, 1].
    """
    at = images.device
    brightness = images.mean(1, keepdim=True)
    scale = 3 * brightness + SMALLEST
    greener = (images[:, 1:2] - brightness) / scale
    warmer = (images[:, :1] - images[:, 2:]) / scale
    vegetation = (greener * (1.5 / GREEN)).clamp_(0, 1)
    ground = torch.maximum(vegetation, (warmer / WARM).clamp_(0, 1))

    leaves = brightness * constant(AUTUMN, at, images.dtype)[:, None, None]
    images = torch.lerp(images, leaves, vegetation * (LEAVES_TURNED * autumn))
    pale = (0.5 + 0.5 * brightness) * constant(FROST, at, images.dtype)[:, None, None]
    return torch.lerp(images, pale, ground * (GROUND_PALED * winter)).clamp_(0, 1)
