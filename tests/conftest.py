"""Fixtures that several tests share: the real imagery, and small scenes in a layout of our own."""

import os
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

# Tiny models gain nothing from threads, and lose much when these wait for a busy core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from xdist.scheduler import LoadFileScheduling

from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import TileSlice
from web import serve

ROOT = Path(__file__).resolve().parents[1]
DUBAI = ROOT.parent / "shared" / "data" / "dubai"

warnings.simplefilter("ignore", NotGeoreferencedWarning)


class ByFile(LoadFileScheduling):
    """When tests run in parallel, those of a file stay together, and so do all faults: they share a
    table."""

    def _split_scope(self, nodeid: str) -> str:
        return (
            "tests/faults" if nodeid.startswith("tests/faults/") else super()._split_scope(nodeid)
        )


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """The longest first, so that no process is left with one of them at the end."""
    longest = ("tests/slurm/", "tests/faults/", "tests/workflow/")
    items.sort(key=lambda item: not item.nodeid.startswith(longest))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start from the same random weights, whichever tests ran before in this process."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def dubai() -> Path:
    """The real Dubai dataset, read in place."""
    if not DUBAI.is_dir():
        pytest.skip(f"the Dubai imagery is not at {DUBAI.relative_to(ROOT.parent)}")
    return DUBAI


def write_raster(path: Path, bands: np.ndarray, **options) -> None:
    """Write bands [C, H, W] in the format given by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = {".png": "PNG", ".tif": "GTiff", ".jpg": "JPEG"}[path.suffix]
    count, height, width = bands.shape
    profile = {
        "driver": driver,
        "count": count,
        "height": height,
        "width": width,
        "dtype": bands.dtype,
    }
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(bands)


SIZES = {"a": (70, 100), "b": (64, 64), "c": (96, 33), "d": (32, 32), "e": (64, 96)}


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory) -> Path:
    """Five scenes of several sizes; classes differ in brightness, class 2 is rare."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(7)
    for name, (height, width) in SIZES.items():
        coarse = rng.choice(3, size=(height // 8 + 1, width // 8 + 1), p=[0.5, 0.4, 0.1])
        mask = coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)
        grey = mask * 80.0 + 30 + rng.normal(0, 10, mask.shape)
        image = np.stack([grey, grey * 0.8, 255 - grey]).clip(0, 255).astype(np.uint8)
        write_raster(folder / "images" / f"{name}.tif", image)
        write_raster(folder / "masks" / f"{name}.tif", mask[None])
    return folder


@pytest.fixture(scope="session")
def tile_slice() -> TileSlice:
    """How `scene_folder` is tiled: 32², three classes."""
    return TileSlice(
        dataset="small",
        layout={
            "images": "images/{scene}.tif",
            "masks": "masks/{scene}.tif",
            "scene": "{scene}",
            "mask_values": "index",
        },
        classes=["ground", "water", "road"],
        colors=None,
        gaps=[],
        tile_size=32,
        groups=[["a", "b"]],
    )


@pytest.fixture(scope="module")
def data(scene_folder, tile_slice, tmp_path_factory):
    """A tile store of these scenes, and its split."""
    folder = tmp_path_factory.mktemp("store")
    build_tiles(tile_slice, scene_folder, folder)
    store = open_tiles(folder)
    return store, draw_split(store.table, Split(unit="tile", train=0.6, val=0.4))


# --- the web --------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    """A server, with short timeouts."""
    from satseg.data.sources import http

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(http, "TIMEOUT", 0.5)
    monkeypatch.setattr(http, "BACKOFF", 0.01)
    with serve() as running:
        yield running


@pytest.fixture
def archive(server, tmp_path):
    """A zip of 400 kB on the server: its content, and the file inside."""
    picture = np.random.default_rng(0).bytes(400_000)
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as file:
        file.writestr("set/images/1.png", picture)
    content = (tmp_path / "made.zip").read_bytes()
    server.files["/data/a.zip"] = content
    return SimpleNamespace(content=content, picture=picture)


@pytest.fixture
def kaggle(server, monkeypatch, tmp_path):
    """Kaggle's own client, sent to the server by a proxy setting; the server answers with
    `server.kaggle`."""
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server.address)
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.setattr(KaggleApi, "args", ["--local"], raising=False)
