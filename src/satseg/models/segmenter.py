"""From weights on disk to class indices."""

import math
import os
import re
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from pydantic import TypeAdapter
from torch import nn

from satseg import sealed
from satseg.config.models import ModelSpec, PythonSpec
from satseg.config.reading import load
from satseg.data.labels import NO_LABEL
from satseg.data.normalise import normalise, to_unit
from satseg.data.origin import Origin
from satseg.devices import constant, queues
from satseg.errors import UserError, is_innocent
from satseg.files import sha256
from satseg.models.bundle import Source, find_weights
from satseg.records import note

FORMAT = 1


class Segmenter(NamedTuple):
    """A trained model and what is needed to use it."""

    model: nn.Module
    classes: list[str]
    """The dataset's class names by class index."""
    counted: list[int]
    """Class indices the model was trained to tell apart."""
    padded_tiles: bool
    """Whether tiles that extend beyond a scene's edge count."""
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
    """What the images of those tiles were."""
    colors: dict[str, str] | None = None
    """Colour of each class (`#rrggbb`), by name, if its bundle says."""
    temperature: float = 1.0
    """What logits are divided by to make probabilities that hold; one if it was not calibrated."""

    @property
    def counted_classes(self) -> list[str]:
        """Names of the counted classes, in the order of `counted`."""
        return [self.classes[index] for index in self.counted]


def save_weights(path: str | Path, net: nn.Module, model: ModelSpec, bands: int, **meta) -> None:
    """Write weights with what is needed to rebuild the model.

    Args:
        path: the file.
        net: the trained module.
        model: the entry it was built from.
        bands: bands of its images.
        meta: the other fields of `Segmenter`.
    """
    content = {
        "format": FORMAT,
        "spec": model.model_dump(),
        "bands": bands,
        "code": _own_code(model),
        "state_dict": net.state_dict(),
        **meta,
    }
    sealed.save(path, content)


def load_weights(
    path: str | Path | Source, device: str | torch.device = "cpu", python_file: str | None = None
) -> Segmenter:
    """Read what `save_weights` wrote, as data: nothing in the file is executed.

    A model of the user's own is built by running its Python file: the one that the configuration
    names, and only as it was when the weights were trained.

    Args:
        path: `best.pt` or `final.pt` of a trained cell, the folder of one (its best epoch), or a
            bundle.
        device: where the model is to run.
        python_file: the Python file that the configuration names for this model; None to look it up
            in the files of `config/`.

    Returns:
        The model in evaluation mode, with its classes, bands, tile size and what its training
        images were.

    Raises:
        UserError: the file is missing, damaged, changed since it was written, of another kind, a
            weight is not finite, or it names a Python file that the configuration does not.

    Example:
        segmenter = load_weights("best.pt")
        predict_scene(segmenter, "scene.tif", "map.tif")
    """
    from satseg.models import build_model

    source = path if isinstance(path, Source) else find_weights(path)
    path = source.name
    try:
        content = sealed.load(source.weights)
        note(path)
        if content.pop("format") != FORMAT:
            raise KeyError

        model = TypeAdapter(ModelSpec).validate_python(content.pop("spec"))
        _check_own(path, model, content.pop("code", None), python_file)
        bands = content.pop("bands")
        net = build_model(model, len(content["classes"]), bands)
        state = content.pop("state_dict")
        net.load_state_dict(state)
        finite = all(bool(torch.isfinite(values).all()) for values in state.values())
        net = net.to(device, memory_format=torch.channels_last).eval()

        # Older files have no origin.
        origin = Origin.model_validate(content.pop("origin", {}))
        known = _known(source.about)
        segmenter = Segmenter(
            model=net, bands=bands, stride=model.stride, origin=origin, **content, **known
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights; train the cell first") from None
    except (
        UnpicklingError,
        RuntimeError,
        KeyError,
        EOFError,
        OSError,
        AttributeError,
        TypeError,
        ValueError,
    ) as error:
        if is_innocent(error):
            raise
        raise UserError(
            f"{path}: not a weights file of satseg, or damaged; train the cell again"
        ) from None

    if not finite:
        raise UserError(f"{path}: a weight is not a finite number; train the cell again")
    return segmenter


def _known(about: dict) -> dict:
    """What a bundle, or a cell's calibration, adds to its weights.

    Raises:
        KeyError, TypeError, ValueError: it is not what a bundle holds.
    """
    known = {}
    if "temperature" in about:
        known["temperature"] = float(about["temperature"])
        if not 0 < known["temperature"] < math.inf:
            raise ValueError(about["temperature"])
    if "classes" in about:
        colors = {land["name"]: land["color"] for land in about["classes"] if land["color"]}
        if not all(re.fullmatch(r"#[0-9A-Fa-f]{6}", color) for color in colors.values()):
            raise ValueError(colors)
        known["colors"] = colors
    return known


def _own_code(model: ModelSpec) -> str | None:
    """The digest of the Python file that a model is built by; None if there is none."""
    return sha256(model.file) if isinstance(model, PythonSpec) else None


def _check_own(
    weights: str | Path, model: ModelSpec, code: str | None, configured: str | None
) -> None:
    """Refuse weights that choose which Python file is run: that is up to the configuration.

    Args:
        weights: the weights file, for the message.
        model: the entry that it holds.
        code: the digest of the model's Python file when it was trained.
        configured: the Python file that the configuration names; None to look it up.

    Raises:
        UserError: the configuration names another file, or that file has changed.
    """
    if not isinstance(model, PythonSpec):
        return

    if configured:
        named = [configured]
    else:
        entries = [entry for entry in load().models.values() if isinstance(entry, PythonSpec)]
        named = [entry.file for entry in entries if entry.name == model.name]
    if os.path.realpath(model.file) not in map(os.path.realpath, named):
        raise UserError(
            f"{weights}: names {model.file} as the code of its model, which config/models.yaml "
            f"does not, so it is not run; add the model, or train the cell again"
        )
    if code != _own_code(model):
        raise UserError(
            f"{weights}: was trained with another {model.file}; restore that file, or train the "
            f"cell again"
        )


def autocast(device: torch.device, precision: str):
    """The context of a forward pass in this precision: `32`, `bf16` or `fp16`."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, kinds[precision]) if precision in kinds else nullcontext()


def choose(logits: torch.Tensor, counted: list[int]) -> torch.Tensor:
    """Logits [B, C, H, W] → positions in `counted` of the likeliest counted class, int64 [B, H,
    W]."""
    # A running maximum: `argmax` over the class dimension is many times slower on a CPU.
    highest = logits[:, counted[0]]
    likeliest = torch.zeros(highest.shape, dtype=torch.uint8, device=highest.device)
    for position, index in enumerate(counted[1:], start=1):
        higher = (logits[:, index] > highest).to(torch.uint8)
        likeliest = torch.maximum(likeliest, higher * position)
        highest = torch.maximum(highest, logits[:, index])
    return likeliest.long()


def positions(masks: torch.Tensor, counted: list[int]) -> torch.Tensor:
    """Class indices [B, H, W] → int64 positions in `counted`; 255 for every other value."""
    places = dict(zip(counted, range(len(counted)), strict=True))
    values = tuple(places.get(index, NO_LABEL) for index in range(256))
    lookup = constant(values, masks.device, torch.int64)
    return lookup.index_select(0, masks.flatten().int()).reshape(masks.shape)


def counted_logits(logits: torch.Tensor, counted: list[int]) -> torch.Tensor:
    """Logits [B, C, H, W] → those of the counted classes, [B, counted, H, W]."""
    if not queues(logits.device):
        return logits[:, counted]
    # A list as an index would be sent, and waited for.
    return logits.index_select(1, constant(tuple(counted), logits.device, torch.int64))


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
    logits = counted_logits(_logits(segmenter, images), segmenter.counted).float()
    return (logits / segmenter.temperature).softmax(1)


def _logits(segmenter: Segmenter, images: torch.Tensor) -> torch.Tensor:
    unit = images if images.is_floating_point() else to_unit(images)
    with autocast(images.device, segmenter.precision):
        return segmenter.model(normalise(unit, segmenter.scaling))
