"""Models: architectures and their parts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from satseg.config.types import PATTERNS, Probability, Strict

Width = Annotated[int, Field(ge=1, le=2**14)]
Convs = Annotated[int, Field(ge=1, le=100)]


class Bottleneck(Strict):
    """The deepest block of a U-Net."""

    width: Width
    """Number of channels."""
    convs: Convs
    """Number of 3×3 convolutions."""


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
                    f"{key} has {len(getattr(self, key))} entries; widths has {len(self.widths)}"
                )
        return self

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 2 ** len(self.widths)


class SmpSpec(Strict):
    """An architecture with an encoder of segmentation_models_pytorch."""

    family: Literal["smp"]
    """Kind of model."""
    architecture: str
    """Class in segmentation_models_pytorch, such as `UnetPlusPlus`."""
    encoder: str
    """Encoder name, such as `resnet34`."""
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
        named = Path(self.encoder_weights or "")
        return named if named.suffix in (".pt", ".pth", ".safetensors") else None

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 32


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


ModelSpec = Annotated[UNetSpec | SmpSpec | PythonSpec, Field(discriminator="family")]
