"""A compact U-Net: nothing is computed at full size, deep levels do the work, the decoder is
narrow."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from satseg.config.models import CompactSpec, ResidualEncoder, SmpSpec
from satseg.errors import UserError
from satseg.models import smp


def build(model: CompactSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """A compact U-Net, with the encoder weights the entry names if `pretrained`.

    Raises:
        UserError: there is no such encoder, it has no features at half the size for `detail`, or
            its weights cannot be obtained.
    """
    if not isinstance(model.encoder, str):
        return CompactUNet(model, Encoder(model.encoder, in_channels), num_classes)

    # The library's encoder, out of one of its models; the smallest decoder is made, and dropped.
    entry = SmpSpec(
        family="smp",
        architecture="FPN",
        arguments={"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32},
        encoder=model.encoder,
        encoder_weights=model.encoder_weights,
    )
    encoder = smp.build(entry, 1, in_channels, pretrained).encoder
    if model.detail and not encoder.out_channels[1]:
        raise UserError(
            f"{model.encoder} has no features at half the size; set the model's `detail: 0`, or "
            "choose another encoder"
        )
    return CompactUNet(model, encoder, num_classes)


def convolution(inputs: int, width: int, stride: int = 1) -> list[nn.Module]:
    """3×3 convolution → batch normalisation."""
    return [
        nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
    ]


def resize(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] → [B, C, H, W], bilinear, with the height and width of `like`."""
    return interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Residual(nn.Module):
    """Two 3×3 convolutions, batch-normalised, whose output is added to their input."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            *convolution(width, width), nn.ReLU(inplace=True), *convolution(width, width)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, width, H, W] → the same."""
        return self.relu(self.layers(x).add_(x))


def encoder_level(inputs: int, width: int, blocks: int) -> nn.Sequential:
    """A strided 3×3 convolution and residual blocks: [B, inputs, H, W] → [B, width, H/2, W/2]."""
    return nn.Sequential(
        *convolution(inputs, width, stride=2),
        nn.ReLU(inplace=True),
        *(Residual(width) for _ in range(blocks)),
    )


class Encoder(nn.Module):
    """A strided 3×3 convolution, then levels that each halve the size and hold residual blocks."""

    def __init__(self, encoder: ResidualEncoder, in_channels: int):
        super().__init__()
        widths = [in_channels, encoder.stem, *encoder.widths]
        blocks = [0, *encoder.blocks]
        self.levels = nn.ModuleList(
            encoder_level(inputs, width, number)
            for (inputs, width), number in zip(pairwise(widths), blocks, strict=True)
        )
        self.out_channels = widths

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Images [B, in_channels, H, W] → themselves, and features at strides 2, 4, 8, …"""
        features = [x]
        for level in self.levels:
            features.append(level(features[-1]))
        return features


class Context(nn.Module):
    """The deepest features with their means over the cells of coarse grids, projected and added.

    Args:
        inputs: channels of the features.
        width: channels of the output.
        cells: cells per side of each grid.
    """

    def __init__(self, inputs: int, width: int, cells: list[int]):
        super().__init__()
        self.cells = cells
        self.own = nn.Conv2d(inputs, width, 1, bias=False)
        self.pooled = nn.ModuleList(nn.Conv2d(inputs, width, 1, bias=False) for _ in cells)
        # After the sum: over a grid of one cell a single image has no variance to normalise by.
        self.finish = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs, H, W] → [B, width, H, W]."""
        total = self.own(x)
        for cells, project in zip(self.cells, self.pooled, strict=True):
            total = total + resize(project(adaptive_avg_pool2d(x, cells)), total)
        return self.finish(total)


class DecoderLevel(nn.Module):
    """Brings the features to the skip connection's size, adds that and convolves.

    Args:
        inputs: channels of the features.
        skip: channels of the skip connection.
        width: channels of the output.
    """

    def __init__(self, inputs: int, skip: int, width: int):
        super().__init__()
        # 1×1 convolutions and interpolation may change places; before it they cost a quarter.
        self.narrow = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()
        self.lateral = nn.Conv2d(skip, width, 1)
        self.block = nn.Sequential(*convolution(width, width), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """[B, inputs, H/2, W/2] and skip [B, skip, H, W] → [B, width, H, W]."""
        return self.block(self.lateral(skip).add_(resize(self.narrow(x), skip)))


class CompactUNet(nn.Module):
    """Encoder, pooled context, additive decoder; the head's logits are enlarged to the image.

    Args:
        model: the entry.
        encoder: maps images to themselves and to features at strides 2, 4, 8, …, whose channels
            `out_channels` lists.
        num_classes: channels of the output.
    """

    def __init__(self, model: CompactSpec, encoder: nn.Module, num_classes: int):
        super().__init__()
        self.encoder = encoder
        _, finest, *widths = encoder.out_channels
        self.context = Context(widths[-1], model.width, model.cells)

        skips = widths[-2::-1]
        outputs = [model.width] * len(skips)
        if model.detail:
            skips = [*skips, finest]
            outputs = [*outputs, model.detail]
        inputs = [model.width, *outputs[:-1]]
        self.decoder = nn.ModuleList(
            DecoderLevel(*channels) for channels in zip(inputs, skips, outputs, strict=True)
        )

        self.dropout = nn.Identity()
        if model.head_dropout:
            kind = nn.Dropout2d if model.head_dropout_channels else nn.Dropout
            self.dropout = kind(model.head_dropout)
        self.head = nn.Conv2d(outputs[-1] if outputs else model.width, num_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, in_channels, H, W] → logits [B, num_classes, H, W]."""
        *skips, deepest = self.encoder(images)
        # The finest features, which no level reads, are let go: they are the largest.
        skips = skips[len(skips) - len(self.decoder) :]
        x = self.context(deepest)
        for level in self.decoder:
            x = level(x, skips.pop())
        return resize(self.head(self.dropout(x)), images)
