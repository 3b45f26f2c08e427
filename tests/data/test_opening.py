"""What is said while an image is opened and read, and by which error."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio

from conftest import write_raster
from satseg.data.opening import open_image, open_scene, pixels_of
from satseg.errors import UserError

# Little memory is left once a scene of a single block is open: its block does not fit.
SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import rasterio
from rasterio.windows import Window
from satseg.data.opening import open_image, pixels_of

path = Path(sys.argv[1])
image = open_image(path)
pages = int(Path("/proc/self/statm").read_text().split()[0])
room = pages * resource.getpagesize() + 20_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
try:
    with pixels_of(path):
        image.read(1, window=Window(0, 0, 64, 64))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("open_it", [open_image, open_scene])
def test_an_image_without_a_place_is_opened_without_a_word(tmp_path, open_it):
    path = tmp_path / "a.tif"
    write_raster(path, np.zeros((3, 8, 8), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_it(path).close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_lack_of_memory_is_no_damage(tmp_path):
    path = tmp_path / "a.tif"
    side = 6144
    block = {"tiled": True, "blockxsize": side, "blockysize": side, "compress": "deflate"}
    write_raster(path, np.zeros((3, side, side), np.uint8), photometric="rgb", **block)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHORT_OF_MEMORY, path],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "MemoryError\n", done.stderr


def test_damage_names_its_file(tmp_path):
    path = tmp_path / "a.tif"
    write_raster(path, np.zeros((1, 256, 256), np.uint8))
    path.write_bytes(path.read_bytes()[:30_000])
    with (
        pytest.raises(UserError, match=r"a\.tif: damaged near row 0; replace the file"),
        pixels_of(path, " near row 0"),
        rasterio.open(path) as image,
    ):
        image.read()
