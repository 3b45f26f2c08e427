"""Imagery as it is handed over, trained from YAML alone: an orthophoto of four bands with a mask
inside and labels stored south-up, scenes with an alpha band, and masks of 0 and 255."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.transform import Affine, from_origin

from conftest import ROOT, write_raster
from satseg.config.reading import load
from satseg.data.store import open_tiles
from small import unet

SIDE = 96
TILE = 32
SCENES = 3
NAMES = ["Ground", "House"]
RNG = np.random.default_rng(23)


def entry(name: str, **changes) -> dict:
    classes = [{"name": NAMES[0], "color": "#808080"}, {"name": NAMES[1], "color": "#C02020"}]
    layout = {"images": "images/{n}.tif", "masks": "masks/{n}.tif", "scene": "{n}"}
    given = {"title": name, "licence": "CC0", "path": name, "tile_size": TILE, "classes": classes}
    return given | {"layout": layout | {"mask_values": "index"}} | changes


CONFIG = {
    "datasets": {
        "ortho": entry("ortho", pixels={"bands": [1, 2, 3, 4]}),
        "rgba": entry("rgba", pixels={"bands": [1, 2, 3]}),
        "pair": entry(
            "pair",
            classes=[
                {"name": NAMES[0], "color": "#808080"},
                {"name": NAMES[1], "color": "#C02020", "value": 255},
            ],
        ),
    },
    "splits": {"thirds": {"unit": "group", "train": 0.34, "val": 0.33, "test": 0.33}},
    "models": {"mini": unet(4, bottleneck=8)},
    "recipes": {
        "quick": {
            "about": "One epoch.",
            "split": "thirds",
            "loss": {"name": "cross_entropy"},
            "epochs": 1,
            "batch_size": 4,
        }
    },
    "study": {
        "given": {
            "title": "Given",
            "datasets": ["ortho", "rgba", "pair"],
            "models": ["mini"],
            "recipes": ["quick"],
        }
    },
}


def scene(number: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """Four bands uint8, labels, and where they lie."""
    labels = RNG.integers(0, 2, (SIDE // 8, SIDE // 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    bands = 60 + 120 * labels + RNG.integers(0, 40, (4, SIDE, SIDE))
    place = from_origin(500_000 + number * SIDE, 5_000_000, 1, 1)
    return bands.astype(np.uint8), labels, {"crs": "EPSG:32633", "transform": place}


def collar(number: int) -> np.ndarray:
    """Where a scene is hidden: a slanting edge, and a hole."""
    rows, columns = np.indices((SIDE, SIDE))
    return (columns < 10 + number * 5 + rows // 8) | ((rows > 70) & (columns > 80 - number))


def make(folder: Path) -> dict[str, list[int]]:
    """Three datasets; the pixels of each class that are to be seen."""
    totals = {name: np.zeros(len(NAMES), int) for name in CONFIG["datasets"]}
    for number in range(SCENES):
        bands, labels, place = scene(number)
        hidden = collar(number)
        south_up = Affine(1, 0, place["transform"].c, 0, 1, place["transform"].f - SIDE)
        image = folder / f"ortho/images/{number}.tif"
        write_raster(image, bands, **place)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(image, "r+") as file:
            file.write_mask(~hidden)
        turned = place | {"transform": south_up}
        write_raster(folder / f"ortho/masks/{number}.tif", labels[None, ::-1], **turned)

        opacity = np.where(hidden, 0, 255).astype(np.uint8)
        alpha = np.concatenate([bands[:3], opacity[None]])
        write_raster(folder / f"rgba/images/{number}.tif", alpha)
        write_raster(folder / f"rgba/masks/{number}.tif", labels[None])

        write_raster(folder / f"pair/images/{number}.tif", bands[:3])
        write_raster(folder / f"pair/masks/{number}.tif", 255 * labels[None])

        for name, seen in (("ortho", ~hidden), ("rgba", ~hidden), ("pair", hidden | True)):
            totals[name] += np.bincount(labels[seen], minlength=len(NAMES))
    return {name: counts.tolist() for name, counts in totals.items()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, dict[str, list[int]]]:
    """The folder with every cell of the study trained, and the true totals."""
    folder = tmp_path_factory.mktemp("given")
    totals = make(folder)
    (folder / "given.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != Path(sys.prefix, "bin"))
    runs = [f"results/runs/{name}/mini/quick/seed0/run.json" for name in totals]
    program = [Path(sys.prefix, "bin/snakemake"), "--snakefile", ROOT / "Snakefile"]
    done = subprocess.run(
        [*program, "--cores", "2", "--configfile", "given.yaml", "--", *runs],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder, totals


@pytest.mark.parametrize("name", CONFIG["datasets"])
def test_every_labelled_pixel_is_counted_and_no_other(built, name):
    folder, totals = built
    store = open_tiles(folder / "data/tiles" / name)
    assert [store.table[f"pixels_{land}"].sum() for land in NAMES] == totals[name]
    assert [(store.masks == index).sum() for index in range(len(NAMES))] == totals[name]
    run = json.loads((folder / f"results/runs/{name}/mini/quick/seed0/run.json").read_text())
    assert run["tiles"] == {"train": 9, "val": 9}


def test_the_labels_lie_on_their_pixels(built):
    """Bright pixels are houses in every tile, hidden ones are dark and have no label."""
    folder, _ = built
    for name, dataset in load(overrides=CONFIG).datasets.items():
        if name not in CONFIG["datasets"]:
            continue
        store = open_tiles(folder / "data/tiles" / name)
        assert store.images.shape[-1] == len(dataset.pixels.bands or [1, 2, 3])
        brightness = store.images[..., 0]
        np.testing.assert_array_equal(brightness == 0, store.masks == 255)
        seen = store.masks != 255
        np.testing.assert_array_equal(brightness[seen] >= 140, store.masks[seen] == 1)
