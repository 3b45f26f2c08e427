"""A tiny fully convolutional model and georeferenced scenes for it."""

from pathlib import Path

import numpy as np
import torch
from rasterio.transform import Affine, from_origin

from conftest import write_raster
from satseg.config.models import UNetSpec
from satseg.data.origin import Origin
from satseg.models import build_model
from satseg.models.segmenter import Segmenter, save_weights

CLASSES = ["No data", "Field", "Woodland", "Water"]
COUNTED = [1, 2, 3]
COLORS = {"No data": "#000000", "Field": "#E6C86E", "Woodland": "#267300", "Water": "#00A0DC"}
SPEC = UNetSpec(
    family="unet",
    widths=[4, 8],
    convs=[1, 1],
    bottleneck={"width": 8, "convs": 1},
    decoder_convs=[1, 1],
)
TILE = 64
META = {
    "padded_tiles": True,
    "batch_size": 4,
    "scaling": "unit",
    "precision": "32",
    "tile_size": TILE,
}
PLACE = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_000_000, 0.5, 0.5)}


def tiny(bands: int = 3, seed: int = 0) -> torch.nn.Module:
    """A U-Net with random weights that finds every counted class in noise, none with much
    certainty."""
    torch.manual_seed(seed)
    model = build_model(SPEC, len(CLASSES), bands)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.05, 0.2)
        logits = model.eval()(torch.rand(2, bands, TILE, TILE))
        scale = 2 / logits.std((0, 2, 3))
        model.head.weight *= scale[:, None, None, None]
        model.head.bias.copy_((model.head.bias - logits.mean((0, 2, 3))) * scale)
    return model.to(memory_format=torch.channels_last)


def segmenter(bands: int = 3, seed: int = 0, **changes) -> Segmenter:
    """That model as `load_weights` returns it."""
    fields = META | {"bands": bands, "stride": SPEC.stride} | changes
    return Segmenter(tiny(bands, seed), CLASSES, COUNTED, **fields)


def save_cell(folder: Path, dataset: str = "", **origin) -> Path:
    """The parts of a trained cell's folder that prediction needs."""
    meta = META | {"classes": CLASSES, "counted": COUNTED, "dataset": dataset}
    meta["origin"] = Origin(**origin).model_dump()
    save_weights(folder / "best.pt", tiny(), SPEC, 3, **meta)
    return folder


def noise(height: int, width: int, bands: int = 3, coarse: int = 8, seed: int = 0) -> np.ndarray:
    """Blotches of many colours, uint8 [bands, height, width], never 0."""
    rng = np.random.default_rng(seed)
    blotches = rng.integers(40, 216, (bands, height // coarse + 1, width // coarse + 1))
    large = blotches.repeat(coarse, 1).repeat(coarse, 2)[:, :height, :width]
    return (large + rng.integers(-30, 30, large.shape)).clip(1, 255).astype(np.uint8)


def write_scene(path: Path, pixels: np.ndarray, **options) -> Path:
    """A GeoTIFF of 0.5 m pixels."""
    write_raster(path, pixels, **(PLACE | options))
    return path


def metres(size: float) -> Affine:
    """The transform of a scene whose pixels are `size` metres wide."""
    return from_origin(500_000, 5_000_000, size, size)
