"""From weights on disk to class indices."""

import warnings
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from satseg.config.models import ModelSpec
from satseg.data.labels import NO_LABEL
from satseg.data.normalise import normalise, to_unit
from satseg.data.origin import Origin
from satseg.errors import UserError
from satseg.files import atomic

FORMAT = 1


class Segmenter(NamedTuple):
    """A trained model and what is needed to use it."""

    model: nn.Module
    classes: list[str]
    """The dataset's class names by class index."""
    counted: list[int]
    """Class indices the model was trained to tell apart."""
    padded_tiles: bool
    """Whether tiles that reach over a scene's edge count."""
    batch_size: int
    scaling: str
    precision: str
    bands: int = 3
    stride: int = 1
    """Heights and widths of images must be multiples of this."""
    tile_size: int = 512
    """Height and width of the tiles it was trained on."""
    dataset: str = ""
    origin: Origin = Origin()
    """What those tiles' images were."""


def save_weights(path: str | Path, model: nn.Module, spec: ModelSpec, bands: int, **meta) -> None:
    """Write weights with what is needed to rebuild the model; `meta` are the other fields of
    `Segmenter`."""
    content = {
        "format": FORMAT,
        "spec": spec.model_dump(),
        "bands": bands,
        "state_dict": model.state_dict(),
        **meta,
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)


def load_weights(path: str | Path, device: str | torch.device = "cpu") -> Segmenter:
    """Read what `save_weights` wrote, as data: nothing in the file is executed.

    Args:
        path: `best.pt` or `final.pt` of a trained cell.
        device: where the model is to run.

    Returns:
        The model in evaluation mode, with its classes, bands, tile size and what its training
        images were.

    Raises:
        UserError: the file is missing, damaged, or of another kind.

    Example:
        segmenter = load_weights("best.pt")
        predict_scene(segmenter, "scene.tif", "map.tif")
    """
    from satseg.models import build_model

    try:
        with warnings.catch_warnings(action="ignore"):  # of what is no file of torch's
            content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT:
            raise KeyError
        spec, bands = (
            TypeAdapter(ModelSpec).validate_python(content.pop("spec")),
            content.pop("bands"),
        )
        weights = content.pop("state_dict")
        model = build_model(spec, len(content["classes"]), bands)
        model.load_state_dict(weights)
        model = model.to(device, memory_format=torch.channels_last).eval()
        # Files written before there was one hold no origin.
        origin = Origin.model_validate(content.pop("origin", {}))
        return Segmenter(model=model, bands=bands, stride=spec.stride, origin=origin, **content)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; train the cell first") from None
    except PermissionError:
        raise
    except (
        UnpicklingError,
        RuntimeError,
        KeyError,
        EOFError,
        OSError,
        AttributeError,
        TypeError,
        ValidationError,
    ):
        raise UserError(
            f"{path}: not weights of this program, or damaged; train the cell again"
        ) from None


def autocast(device: torch.device, precision: str):
    """The context a forward pass runs in: `32`, `bf16` or `fp16`."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, kinds[precision]) if precision in kinds else nullcontext()


def choose(logits: torch.Tensor, counted: list[int]) -> torch.Tensor:
    """Logits [B, C, H, W] → positions in `counted` of the likeliest counted class, int64 [B, H,
    W]."""
    # A running maximum: `argmax` over the third but last dimension is many times slower on a CPU.
    best = logits[:, counted[0]]
    chosen = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for position, index in enumerate(counted[1:], start=1):
        chosen = torch.maximum(chosen, (logits[:, index] > best).to(torch.uint8) * position)
        best = torch.maximum(best, logits[:, index])
    return chosen.long()


def positions(masks: torch.Tensor, counted: list[int]) -> torch.Tensor:
    """Class indices [B, H, W] → int64 positions in `counted`; 255 for every other value."""
    lookup = torch.full((256,), NO_LABEL, device=masks.device)
    lookup[counted] = torch.arange(len(counted), device=masks.device)
    return lookup.index_select(0, masks.flatten().int()).reshape(masks.shape)


@torch.inference_mode()
def predict(segmenter: Segmenter, images: torch.Tensor) -> torch.Tensor:
    """Images on the model's device → positions in `counted`, int64 [B, H, W].

    Args:
        segmenter: a trained model.
        images: uint8 [B, C, H, W], or float in [0, 1].
    """
    return choose(_logits(segmenter, images), segmenter.counted)


@torch.inference_mode()
def probabilities(segmenter: Segmenter, images: torch.Tensor) -> torch.Tensor:
    """Images as `predict` takes them → probabilities of the counted classes, float32 [B, counted,
    H, W]."""
    return _logits(segmenter, images)[:, segmenter.counted].float().softmax(1)


def _logits(segmenter: Segmenter, images: torch.Tensor) -> torch.Tensor:
    unit = images if images.is_floating_point() else to_unit(images)
    with autocast(images.device, segmenter.precision):
        return segmenter.model(normalise(unit, segmenter.scaling))
