"""The skip connections of U-Net v2 (Peng et al., arXiv 2311.17791): each carries what every level
knows."""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from satseg.config.models import SdiSkips

RATIO = 16  # channels of a level over those within its channel attention


class Attention(nn.Module):
    """Weights the channels of features, then their pixels, by what is strong on average and at
    most."""

    def __init__(self, width: int):
        super().__init__()
        narrow = max(1, width // RATIO)
        self.channels = nn.Sequential(
            nn.Conv2d(width, narrow, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, width, 1, bias=False),
        )
        self.pixels = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, width, H, W] → the same."""
        mean = self.channels(x.mean((2, 3), keepdim=True))
        most = self.channels(x.amax((2, 3), keepdim=True))
        x = x * (mean + most).sigmoid()
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.pixels(both).sigmoid()


class Infusion(nn.Module):
    """One level's skip connection: the product of all levels, each brought to its size and
    convolved."""

    def __init__(self, levels: int, channels: int):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(levels)
        )
        # Factors around 1: as convolutions usually begin, a product of several would start, and
        # stay, near 0.
        for conv in self.convs:
            with torch.no_grad():
                conv.weight.mul_(0.1)
                conv.bias.fill_(1)

    def forward(self, levels: list[torch.Tensor], size: torch.Size) -> torch.Tensor:
        """Levels [B, C, h, w], each of its own size, → [B, C, H, W]."""
        product = None
        for level, conv in zip(levels, self.convs, strict=True):
            factor = conv(_resized(level, size))
            # Products of several 16-bit numbers lose their digits.
            product = factor.float() if product is None else product * factor.float()
        return product.to(factor.dtype)


def _resized(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """The mean over the pixels that become one, or a bilinear enlargement with aligned corners."""
    if x.shape[2:] == size:
        return x
    if x.shape[2] > size[0]:
        return avg_pool2d(x, (x.shape[2] // size[0], x.shape[3] // size[1]))
    return interpolate(x, size=size, mode="bilinear", align_corners=True)


class Skips(nn.Module):
    """Semantics and detail infusion: attention, a common number of channels, and a product over all
    levels.

    Args:
        skips: the entry's settings.
        widths: channels of the levels that take part.
    """

    def __init__(self, skips: SdiSkips, widths: list[int]):
        super().__init__()
        self.refine = nn.ModuleList(
            nn.Sequential(
                Attention(width),
                nn.Conv2d(width, skips.channels, 1, bias=False),
                nn.BatchNorm2d(skips.channels),
            )
            for width in widths
        )
        self.infuse = nn.ModuleList(Infusion(len(widths), skips.channels) for _ in widths)

    def forward(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        """Features [B, width, H, W] of each level → [B, channels, H, W] of each."""
        refined = [refine(x) for refine, x in zip(self.refine, levels, strict=True)]
        sizes = [x.shape[2:] for x in refined]
        return [infuse(refined, size) for infuse, size in zip(self.infuse, sizes, strict=True)]
