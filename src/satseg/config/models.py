"""Models: architectures and their parts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from satseg.config.types import PATTERNS, Probability, Strict
from satseg.text import counted

Width = Annotated[int, Field(ge=1, le=2**14)]
Convs = Annotated[int, Field(ge=1, le=100)]


class Bottleneck(Strict):
    """The deepest block of a U-Net."""

    width: Width
    """Number of channels."""
    convs: Convs
    """Number of 3×3 convolutions."""


class SdiSkips(Strict):
    """The skip connections of U-Net v2 (arXiv 2311.17791): attention within each level, then the
    product of all levels. They add context at little memory; each level costs a 3×3 convolution per
    level."""

    kind: Literal["sdi"]
    """`sdi`: semantics and detail infusion."""
    channels: Width = 32
    """Channels of every such skip connection."""
    from_level: Convs = 3
    """First encoder level that takes part, counted from 1; with 3 those at a quarter of the size
    and below. Finer ones, where most of the memory is, keep plain skip connections."""


class UNetSpec(Strict):
    """A U-Net, level by level."""

    family: Literal["unet"]
    """Kind of model."""
    widths: Annotated[list[Width], Field(min_length=1, max_length=12)]
    """Channels of each encoder level, from shallow to deep."""
    convs: list[Convs]
    """Number of 3×3 convolutions in each encoder level, from shallow to deep."""
    bottleneck: Bottleneck
    """The deepest block."""
    decoder_convs: list[Convs]
    """Number of 3×3 convolutions in each decoder level, from deep to shallow."""
    skips: SdiSkips | None = None
    """Skip connections other than the plain ones; null: each level's features as they are."""
    batch_norm: bool = True
    """Batch normalisation after each convolution."""
    dropout: Probability = 0.0
    """Dropout after each ReLU."""
    head_dropout: Probability = 0.0
    """Dropout before the 1×1 head."""
    head_dropout_channels: bool = False
    """Whether that dropout drops whole channels of a tile (Dropout2d), not single values."""

    @model_validator(mode="after")
    def _levels(self):
        for key in ("convs", "decoder_convs"):
            if len(getattr(self, key)) != len(self.widths):
                raise ValueError(
                    f"{key} has {counted(len(getattr(self, key)), 'entry')}; widths has "
                    f"{len(self.widths)}"
                )
        if self.skips and self.skips.from_level > len(self.widths):
            raise ValueError(
                f"skips.from_level: {self.skips.from_level}; widths has "
                f"{counted(len(self.widths), 'level')}; give at most that"
            )
        return self

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 2 ** len(self.widths)


def weights_path(encoder_weights: str | None) -> Path | None:
    """The path that `encoder_weights` gives; None if it gives a name, or nothing."""
    named = Path(encoder_weights or "")
    return named if named.suffix in (".pt", ".pth", ".safetensors") else None


class SmpSpec(Strict):
    """An architecture with an encoder of segmentation_models_pytorch."""

    family: Literal["smp"]
    """Kind of model."""
    architecture: str
    """Class in segmentation_models_pytorch, such as `UnetPlusPlus`."""
    encoder: str
    """Encoder name, such as `resnet34`."""
    arguments: dict[str, Any] = {}
    """Further arguments of that class, such as `decoder_channels: [128, 64, 32, 16, 8]`."""
    encoder_weights: str | None = None
    """Pretrained encoder weights: a name such as `imagenet`, downloaded once, or the path of a
    state dict (`.pt`, `.pth` or `.safetensors`); null starts from random weights."""
    head_dropout: Probability = 0.0
    """Dropout before the head."""
    head_dropout_channels: bool = False
    """Whether that dropout drops whole channels of a tile (Dropout2d), not single values."""

    @property
    def weights_file(self) -> Path | None:
        """The file of the encoder's weights, if they come from one."""
        return weights_path(self.encoder_weights)

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 32


class ResidualEncoder(Strict):
    """An encoder of 3×3 convolutions: a stem at half the size, then levels of residual blocks."""

    stem: Width
    """Channels at half the size of the image."""
    widths: Annotated[list[Width], Field(min_length=1, max_length=12)]
    """Channels of each level, the first at a quarter of the size."""
    blocks: list[Annotated[int, Field(ge=0, le=100)]]
    """Residual blocks of each level, of two 3×3 convolutions each."""

    @model_validator(mode="after")
    def _levels(self):
        if len(self.blocks) != len(self.widths):
            raise ValueError(
                f"blocks has {counted(len(self.blocks), 'entry')}; widths has {len(self.widths)}"
            )
        return self


class CompactSpec(Strict):
    """A U-Net without feature maps at full size: a deep encoder, its deepest features pooled for
    context, a narrow decoder to which every level is added."""

    family: Literal["compact"]
    """Kind of model."""
    encoder: ResidualEncoder | str
    """The encoder's levels, or the name of an encoder of segmentation_models_pytorch, such as
    `tu-mobilenetv4_conv_small`."""
    encoder_weights: str | None = None
    """Pretrained weights of such an encoder, as for `smp`; null starts from random weights."""
    cells: list[Convs] = [1, 2, 4, 8]
    """Context: the deepest features also as means over grids of so many cells a side."""
    width: Width = 64
    """Channels of the decoder, down to a quarter of the image's size."""
    detail: Annotated[int, Field(ge=0, le=2**14)] = 32
    """Channels of its last level, at half the size; 0 leaves that level out: less memory, coarser
    edges."""
    head_dropout: Probability = 0.0
    """Dropout before the 1×1 head."""
    head_dropout_channels: bool = False
    """Whether that dropout drops whole channels of a tile (Dropout2d), not single values."""

    @model_validator(mode="after")
    def _pretrained(self):
        if self.encoder_weights and not isinstance(self.encoder, str):
            raise ValueError("encoder_weights: there are some only for an encoder with a name")
        return self

    @property
    def weights_file(self) -> Path | None:
        """The file of the encoder's weights, if they come from one."""
        return weights_path(self.encoder_weights)

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        if isinstance(self.encoder, str):
            return 32
        return 2 ** (1 + len(self.encoder.widths))


class PythonSpec(Strict):
    """A model of your own: a class in a Python file, or a function that returns the model."""

    family: Literal["python"]
    """Kind of model."""
    file: Annotated[str, StringConstraints(pattern=PATTERNS["python"][0])]
    """Path of the file, relative to the folder Snakemake runs in; editing it retrains the model."""
    name: Annotated[str, StringConstraints(pattern=PATTERNS["identifier"][0])]
    """Class or function in that file, called as
    `name(num_classes=…, in_channels=…, **arguments)`."""
    arguments: dict[str, Any] = {}
    """Further keyword arguments of that call."""
    stride: Annotated[int, Field(ge=1, le=2**14)] = 1
    """Tile sizes must be a multiple of this."""


ModelSpec = Annotated[UNetSpec | CompactSpec | SmpSpec | PythonSpec, Field(discriminator="family")]
