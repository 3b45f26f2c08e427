"""Models: architectures, and what they are made of."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from satseg.config.types import PATTERNS, Probability, Strict


class Bottleneck(Strict):
    """The deepest block of a U-Net."""

    width: Annotated[int, Field(ge=1)]
    """Channels."""
    convs: Annotated[int, Field(ge=1)]
    """Number of 3×3 convolutions."""


class UNetSpec(Strict):
    """A U-Net, level by level."""

    family: Literal["unet"]
    """Which kind of model this is."""
    widths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Channels of each encoder level, shallow to deep."""
    convs: list[Annotated[int, Field(ge=1)]]
    """3×3 convolutions of each encoder level, shallow to deep."""
    bottleneck: Bottleneck
    """The deepest block."""
    decoder_convs: list[Annotated[int, Field(ge=1)]]
    """3×3 convolutions of each decoder level, deep to shallow."""
    batch_norm: bool = True
    """Batch normalisation after each convolution."""
    dropout: Probability = 0.0
    """Dropout after each ReLU."""
    head_dropout: Probability = 0.0
    """Dropout before the 1×1 head."""

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
    """An architecture × encoder of segmentation_models_pytorch."""

    family: Literal["smp"]
    """Which kind of model this is."""
    architecture: str
    """Class of segmentation_models_pytorch, such as `UnetPlusPlus`."""
    encoder: str
    """Encoder name, such as `resnet34`."""
    encoder_weights: str | None = None
    """Pretrained encoder weights: a name such as `imagenet`, fetched once, or the path of a file of
    weights (a state dict, `.pt`, `.pth` or `.safetensors`); null starts from random weights."""
    head_dropout: Probability = 0.0
    """Dropout before the head."""

    @property
    def weights_file(self) -> Path | None:
        """The file the encoder's weights come from, where they come from one."""
        named = Path(self.encoder_weights or "")
        return named if named.suffix in (".pt", ".pth", ".safetensors") else None

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 32


class PythonSpec(Strict):
    """A model of your own: a class, or a function that makes it, in a Python file."""

    family: Literal["python"]
    """Which kind of model this is."""
    file: Annotated[str, StringConstraints(pattern=PATTERNS["python"][0])]
    """The file, relative to the folder Snakemake runs in; an edit of it trains anew."""
    name: Annotated[str, StringConstraints(pattern=PATTERNS["identifier"][0])]
    """Class or function in it, called as `name(num_classes=…, in_channels=…, **arguments)`."""
    arguments: dict[str, Any] = {}
    """Further arguments."""
    stride: Annotated[int, Field(ge=1)] = 1
    """Tile sizes must be a multiple of this."""


ModelSpec = Annotated[UNetSpec | SmpSpec | PythonSpec, Field(discriminator="family")]
