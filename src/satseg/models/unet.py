"""The U-Net (Ronneberger et al., arXiv 1505.04597), level by level as its entry says."""

import torch
from torch import nn

from satseg.config.models import UNetSpec
from satseg.models.skips import Skips


def build(unet: UNetSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """A U-Net with random weights; there are no pretrained ones."""
    return UNet(unet, num_classes, in_channels)


class Dropout(nn.Dropout):
    """`nn.Dropout`, but several times as fast on a CPU, where drawing its random numbers takes a
    third of a training step.

    One 64-bit draw decides on four values, so the probability is rounded to 1/65536.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape → the same."""
        limit = round(self.p * 2**16) - 2**15
        if not self.training or limit == 2**15 or x.device.type != "cpu":
            return super().forward(x)

        size = x.numel()
        words = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(torch.int16)[:size]
        noise = x.new_empty(size)
        torch.ge(draws, limit, out=noise)
        strides = torch.empty_like(x).stride()
        return x * noise.div_(1 - self.p).as_strided(x.shape, strides)


def head_dropout(unet: UNetSpec) -> nn.Module:
    """The dropout before the head."""
    kind = nn.Dropout2d if unet.head_dropout_channels else Dropout
    return kind(unet.head_dropout)


class Block(nn.Module):
    """`convs` × (3×3 convolution → batch normalisation → ReLU → dropout); normalisation
    and dropout are optional."""

    def __init__(self, inputs: int, width: int, convs: int, unet: UNetSpec):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(convs):
            layers.append(nn.Conv2d(width if i else inputs, width, 3, padding=1))
            if unet.batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            if unet.dropout:
                layers.append(Dropout(unet.dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs, H, W] → [B, width, H, W]."""
        return self.layers(x)


class EncoderLevel(nn.Module):
    """A block and a 2×2 max-pool."""

    def __init__(self, inputs: int, width: int, convs: int, unet: UNetSpec):
        super().__init__()
        self.block = Block(inputs, width, convs, unet)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, inputs, H, W] → skip connection [B, width, H, W], pooled [B, width, H/2, W/2]."""
        skip = self.block(x)
        return skip, self.pool(skip)


class DecoderLevel(nn.Module):
    """A 2×2 transposed convolution, concatenation with the skip connection, and a block."""

    def __init__(self, inputs: int, skip: int, width: int, convs: int, unet: UNetSpec):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, width, 2, stride=2)
        self.block = Block(width + skip, width, convs, unet)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """[B, inputs, H/2, W/2] and skip [B, skip, H, W] → [B, width, H, W]."""
        return self.block(torch.cat([self.up(x), skip], dim=1))


class UNet(nn.Module):
    """Encoder, bottleneck, decoder with skip connections, 1×1 head."""

    def __init__(self, unet: UNetSpec, num_classes: int, in_channels: int = 3):
        super().__init__()
        inputs = [in_channels, *unet.widths]
        self.encoder = nn.ModuleList(
            EncoderLevel(inputs[i], width, convs, unet)
            for i, (width, convs) in enumerate(zip(unet.widths, unet.convs, strict=True))
        )
        self.bottleneck = Block(unet.widths[-1], unet.bottleneck.width, unet.bottleneck.convs, unet)
        widths = unet.widths[::-1]
        inputs = [unet.bottleneck.width, *widths]
        skips = self._skip_widths(unet)[::-1]
        self.decoder = nn.ModuleList(
            DecoderLevel(inputs[i], skips[i], width, convs, unet)
            for i, (width, convs) in enumerate(zip(widths, unet.decoder_convs, strict=True))
        )
        self.dropout = head_dropout(unet) if unet.head_dropout else None
        self.head = nn.Conv2d(unet.widths[0], num_classes, 1)
        self.first = unet.skips.from_level - 1 if unet.skips else len(unet.widths)
        self.skips = Skips(unet.skips, unet.widths[self.first :]) if unet.skips else None

    @staticmethod
    def _skip_widths(unet: UNetSpec) -> list[int]:
        """Channels that the skip connection of each level brings, from shallow to deep."""
        if unet.skips is None:
            return unet.widths
        plain = unet.widths[: unet.skips.from_level - 1]
        return plain + [unet.skips.channels] * (len(unet.widths) - len(plain))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [B, in_channels, H, W] → logits [B, num_classes, H, W]."""
        skips = []
        for level in self.encoder:
            skip, x = level(x)
            skips.append(skip)
        if self.skips is not None:
            skips[self.first :] = self.skips(skips[self.first :])
        x = self.bottleneck(x)
        for level, skip in zip(self.decoder, reversed(skips), strict=True):
            x = level(x, skip)
        return self.head(x if self.dropout is None else self.dropout(x))
