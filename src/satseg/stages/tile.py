"""Cut the scenes of a dataset into memory-mapped tiles."""

from pathlib import Path

from satseg.data.tiling import FILES, build_tiles
from satseg.jobs.program import stage
from satseg.jobs.slices import TileSlice
from satseg.jobs.writing import folder
from satseg.progress import log
from satseg.readers import read_json
from satseg.text import counted


def run(job: TileSlice, raw: str, out: str) -> list[Path]:
    """Tile the scenes that `raw/manifest.json` lists into the folder `out`."""
    manifest = read_json(Path(raw, "manifest.json"), {"root": str})
    table = build_tiles(job, Path(raw, manifest["root"]), out)
    log.info(
        "%s: %s, %s of %d², %d of them whole",
        job.dataset,
        counted(table["scene"].nunique(), "scene"),
        counted(len(table), "tile"),
        job.tile_size,
        table["whole"].sum(),
    )
    return [Path(out, name) for name in FILES]


if __name__ == "__main__":
    stage(
        "tile",
        __doc__,
        TileSlice,
        run,
        {"raw": "folder with manifest.json", "out": "folder of the tile store"},
        writes=lambda job, out, **_: [folder(out)],
    )
