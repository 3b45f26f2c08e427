"""Predicting a georeferenced scene with overlapping windows."""

from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from torch.utils.data import DataLoader

from benchmarks.imagery import scene, write_scenes
from benchmarks.row import Row, Run
from benchmarks.rows.evaluation import CLASSES
from satseg.config.reading import load
from satseg.devices import keep_memory, resolve_precision
from satseg.models import build_model
from satseg.models.segmenter import Segmenter, load_weights, save_weights
from satseg.models.segmenter import predict as predict_tiles
from satseg.prediction import predict_scene

SMALLER = {"side": 300, "tile": 64, "drawn": 128, "model": "unet_tiny"}


def make(
    folder: Path, side: int, tile: int, drawn: int, model: str, sides: tuple[int, ...] = ()
) -> None:
    """Square scenes and the weights of an untrained model."""
    for scene_side in sides or (side,):
        write_scenes(folder / str(scene_side), 1, scene_side, scene_side, drawn)
    entry = load().models[model]
    torch.manual_seed(0)
    save_weights(
        folder / "weights.pt",
        build_model(entry, CLASSES, 3),
        entry,
        3,
        classes=[f"class{i}" for i in range(CLASSES)],
        counted=list(range(CLASSES)),
        padded_tiles=True,
        batch_size=8,
        scaling="unit",
        precision=resolve_precision("auto"),
        dataset="made",
        tile_size=tile,
    )


def _image(folder: Path, side: int) -> Path:
    return folder / str(side) / "scenes" / "images" / "000.tif"


def satseg(folder: Path, side: int, **_: object) -> Run:
    """`predict_scene`, as called by the stage."""
    keep_memory()
    segmenter = load_weights(folder / "weights.pt")

    def run(_: int) -> dict:
        out = folder / f"satseg{side}.tif"
        return {"windows": predict_scene(segmenter, _image(folder, side), out)} | _sample(out)

    return run


def model_alone(folder: Path, side: int, tile: int, drawn: int, **_: object) -> Run:
    """The model's forward pass on as many windows as satseg predicts, two at a time, and nothing
    else."""
    keep_memory()
    segmenter = load_weights(folder / "weights.pt")
    windows = predict_scene(segmenter, _image(folder, side), folder / "first.tif")
    image, _ = scene(folder, tile, tile, drawn)
    images = torch.from_numpy(np.stack([image, image])).permute(0, 3, 1, 2)

    def run(_: int) -> dict:
        for _ in range(-(-windows // 2)):
            predict_tiles(segmenter, images)
        return {"windows": windows}

    return run


def geoai(folder: Path, side: int, tile: int, **_: object) -> Run:
    """geoai's `predict_geotiff` with the same model and the same overlap."""
    from geoai.inference import predict_geotiff

    model = _plain(load_weights(folder / "weights.pt"))
    out = folder / "geoai.tif"

    def run(_: int) -> dict:
        predict_geotiff(
            model,
            str(_image(folder, side)),
            str(out),
            tile_size=tile,
            overlap=tile // 4,
            num_classes=CLASSES,
            output_dtype="uint8",
            output_nodata=255,
            device="cpu",
            verbose=False,
            postprocess_fn=lambda scores: scores.argmax(0, keepdims=True),
        )
        return _sample(out)

    return run


def torchgeo(folder: Path, side: int, tile: int, **_: object) -> Run:
    """torchgeo's grid sampler; the windows' logits are added up by hand."""
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    model = _plain(load_weights(folder / "weights.pt"))
    out = folder / "torchgeo.tif"

    @torch.inference_mode()
    def run(_: int) -> dict:
        dataset = RasterDataset(str(_image(folder, side)))
        batches = DataLoader(
            dataset,
            2,
            sampler=GridGeoSampler(dataset, tile, tile - tile // 4),
            collate_fn=stack_samples,
        )
        with rasterio.open(_image(folder, side)) as file:
            profile = file.profile
            transform = file.transform
        sums = np.zeros((CLASSES, side, side), np.float32)
        for batch in batches:
            logits = model(batch["image"] / 255).numpy()
            for scores, bounds in zip(logits, batch["bounds"], strict=True):
                left, top = _corner(bounds, transform)
                rows = min(tile, side - top)
                columns = min(tile, side - left)
                sums[:, top : top + rows, left : left + columns] += scores[:, :rows, :columns]
        profile.update(count=1, compress="lzw")
        with rasterio.open(out, "w", **profile) as file:
            file.write(sums.argmax(0).astype(np.uint8), 1)
        return _sample(out)

    return run


def _corner(bounds: object, transform: rasterio.Affine) -> tuple[int, int]:
    """Column and row of a window's upper left pixel."""
    if isinstance(bounds, torch.Tensor):
        west = float(bounds[0])
        north = float(bounds[4])
    else:
        west = bounds[0].start
        north = bounds[1].stop
    column, row = ~transform * (west, north)
    return max(0, round(column)), max(0, round(row))


def _plain(segmenter: Segmenter) -> torch.nn.Module:
    return segmenter.model.to(memory_format=torch.contiguous_format)


def _sample(path: Path) -> dict:
    """Every seventh pixel of a map."""
    with rasterio.open(path) as file:
        return {"map": file.read(1)[::7, ::7], "place": tuple(file.transform)[:6]}


def near_maps(results: dict[str, list[dict]]) -> dict:
    """The maps cover the same area; the share of pixels whose class differs."""
    ours = results["satseg"][0]
    facts = {"windows": ours["windows"]}
    for name, (first, *_) in results.items():
        if name != "satseg" and "map" in first:
            assert first["place"] == ours["place"] and first["map"].shape == ours["map"].shape
            differing = float((first["map"] != ours["map"]).mean())
            facts[f"share of pixels that differ, {name}"] = round(differing, 4)
    return facts


def own_rate(results: dict[str, list[dict]]) -> dict:
    """The same number of windows on both sides."""
    windows = {side: runs[0]["windows"] for side, runs in results.items()}
    assert len(set(windows.values())) == 1
    return {"windows": windows["satseg"]}


def sized(folder: Path, side_of: int, sides: tuple[int, ...], **_: object) -> Run:
    """A scene of one of the sizes; the map is not read back, as that would take memory itself."""
    keep_memory()
    segmenter = load_weights(folder / "weights.pt")
    side = sides[side_of]
    out = folder / f"satseg{side}.tif"
    return lambda _: {"windows": predict_scene(segmenter, _image(folder, side), out)}


OPTIONS = {"make": make, "threads": 2, "warmups": 0, "repeats": 3}
FULL = {"side": 2500, "tile": 512, "drawn": 1024, "model": "unet_skinny"}
PEER = "predicting a georeferenced scene of {side}² with overlap and blending, {model}"
ROWS = [
    Row(
        name="predict_rate",
        what=PEER,
        against="the model alone on as many windows",
        sides={"satseg": satseg, "model alone": model_alone},
        sizes=FULL,
        quick=SMALLER,
        check=own_rate,
        at_least=0.85,
        notes="Two threads; the ratio is the share of the model's own rate.",
        **OPTIONS,
    ),
    Row(
        name="predict_geoai",
        what=PEER,
        against="geoai's predict_geotiff",
        sides={"satseg": satseg, "geoai": geoai},
        sizes=FULL,
        quick=SMALLER,
        check=near_maps,
        at_least=1,
        peers=("geoai",),
        modules=("geoai-py",),
        notes="Two threads; geoai in fp32, the same overlap.",
        **OPTIONS,
    ),
    Row(
        name="predict_torchgeo",
        what=PEER,
        against="torchgeo's grid sampler and a hand-written merge",
        sides={"satseg": satseg, "torchgeo": torchgeo},
        sizes=FULL,
        quick=SMALLER,
        check=near_maps,
        at_least=1,
        peers=("torchgeo",),
        modules=("torchgeo",),
        notes="Two threads; torchgeo in fp32, the same overlap.",
        **OPTIONS,
    ),
    Row(
        name="predict_memory",
        what="peak memory of predicting a scene of {sides[0]}², {model}",
        against="one of {sides[1]}²",
        sides={"satseg": partial(sized, side_of=0), "larger": partial(sized, side_of=1)},
        make=make,
        sizes={"side": 0, "sides": (5000, 20000), "tile": 512, "drawn": 1024, "model": "unet_tiny"},
        quick={"sides": (100, 300), "tile": 64, "drawn": 128},
        threads=2,
        warmups=0,
        repeats=1,
        memory_times=1.2,
        notes="Memory is what matters here; time grows with the number of pixels.",
    ),
]
