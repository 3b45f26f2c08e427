"""Cutting a scene into tiles."""

import os
import shutil
import time
from pathlib import Path

import numpy as np

from benchmarks.imagery import tile_job, write_scenes
from benchmarks.row import Row, Run
from satseg.data.tiling import build_tiles


def make(folder: Path, scenes: int, height: int, width: int, size: int, drawn: int) -> None:
    """The scenes."""
    write_scenes(folder, scenes, height, width, drawn)


def satseg(folder: Path, size: int, **_: object) -> Run:
    """`build_tiles`, as called by the stage; it keeps the tiles at the edges, padded."""

    def run(_: int) -> dict:
        shutil.rmtree(folder / "tiles", ignore_errors=True)
        os.sync()  # the other side's pending writes are not this one's
        began = time.perf_counter()
        table = build_tiles(tile_job(size, 6), folder / "scenes", folder / "tiles")
        seconds = time.perf_counter() - began

        whole = table[table["whole"] == 1]
        pixels = whole.filter(like="pixels_").to_numpy()
        values = pixels @ np.arange(pixels.shape[1])
        places = zip(whole["scene"], whole["row"], whole["col"], strict=True)
        sums = dict(zip(places, values.tolist(), strict=True))
        return {"seconds": seconds, "tiles": len(table), "sums": sums}

    return run


def opencv(folder: Path, size: int, **_: object) -> Run:
    """The loop that LandCover.ai is published with: read, slice, write JPEG and PNG, masks as three
    equal channels."""
    import cv2

    return _loop(folder, size, cv2.IMREAD_COLOR)


def opencv_grey(folder: Path, size: int, **_: object) -> Run:
    """The same loop with less work: masks have one channel."""
    import cv2

    return _loop(folder, size, cv2.IMREAD_GRAYSCALE)


def _loop(folder: Path, size: int, masks_as: int) -> Run:
    """Only whole tiles."""
    import cv2

    cv2.setNumThreads(1)

    def run(_: int) -> dict:
        out = folder / "output"
        parts = {}
        shutil.rmtree(out, ignore_errors=True)
        os.sync()  # the other side's pending writes are not this one's
        began = time.perf_counter()
        out.mkdir()
        for path in sorted((folder / "scenes" / "images").iterdir()):
            image = cv2.imread(str(path))
            mask = cv2.imread(str(folder / "scenes" / "masks" / path.name), masks_as)
            for y in range(0, image.shape[0] - size + 1, size):
                for x in range(0, image.shape[1] - size + 1, size):
                    name = f"{path.stem}_{y // size}_{x // size}"
                    part = mask[y : y + size, x : x + size]
                    cv2.imwrite(str(out / f"{name}.jpg"), image[y : y + size, x : x + size])
                    cv2.imwrite(str(out / f"{name}_m.png"), part)
                    parts[path.stem, y // size, x // size] = part
        seconds = time.perf_counter() - began
        sums = {
            place: int(part.reshape(size, size, -1)[..., 0].sum()) for place, part in parts.items()
        }
        return {"seconds": seconds, "tiles": len(sums), "sums": sums}

    return run


def same_tiles(results: dict[str, list[dict]]) -> dict:
    """The sides have the same masks on all whole tiles."""
    ours, *others = (turns[0] for turns in results.values())
    assert all(ours["sums"] == theirs["sums"] for theirs in others)
    return {"tiles": ours["tiles"], "whole_tiles": others[0]["tiles"], "equal_masks": True}


ROWS = [
    Row(
        name="tiling",
        what="tiling a 9000×9500 scene with its mask",
        against="an OpenCV loop that reads, slices and writes JPEG and PNG",
        sides={"satseg": satseg, "opencv": opencv, "opencv, grey masks": opencv_grey},
        make=make,
        sizes={"scenes": 1, "height": 9000, "width": 9500, "size": 512, "drawn": 1024},
        quick={"height": 300, "width": 200, "size": 64, "drawn": 128},
        check=same_tiles,
        at_least=3,
        memory_below_mb=600,
        peers=("cv2",),
        threads=2,
        repeats=9,
        modules=("opencv-python-headless",),
        notes="satseg writes and hashes in threads while it reads; the loop has one thread. satseg "
        "also counts pixels per class, takes digests and keeps the tiles at the edges. The loop is "
        "LandCover.ai's, which has colour masks; a third side has grey ones. The check compares "
        "the "
        "sum of each tile's class indices.",
    ),
]
