"""Get the scenes of a dataset, as published, and list every file with its hash."""

import os
import shutil
from importlib import import_module
from pathlib import Path

from satseg.cli import log, stage
from satseg.errors import UserError
from satseg.files import sha256, write_json
from satseg.slices import DownloadSlice


def run(spec: DownloadSlice, out: str) -> None:
    """Fill the folder `out`; its `manifest.json`, written last, says where the scenes lie and what they are."""
    folder, scenes = Path(out), Path(out, "scenes")
    partial = folder / ".scenes.tmp"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if spec.path is not None:
            from satseg.data.sources import local

            root, origin = local.locate(spec.path, partial), {"path": spec.path}
        else:
            # A source that has a second one says which of them delivered.
            used = import_module(f"satseg.data.sources.{spec.source.kind}").fetch(spec.source, partial)
            root, origin = partial, (used or spec.source).model_dump()
    except UserError as error:
        raise UserError(f"datasets.{spec.dataset}: {error}") from None
    else:
        shutil.rmtree(scenes, ignore_errors=True)
        if root == partial:
            partial.rename(scenes)
            root = scenes
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    files = sorted(Path(at, name) for at, _, names in os.walk(root, followlinks=True) for name in names)
    listed = [
        {"path": file.relative_to(root).as_posix(), "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in files
    ]
    manifest = {
        "dataset": spec.dataset,
        "origin": origin,
        "root": "scenes" if root == scenes else str(root),
        "files": listed,
    }
    write_json(folder / "manifest.json", manifest)
    log.info("%s: %d files, %.1f MB in %s", spec.dataset, len(listed), sum(f["bytes"] for f in listed) / 1e6, root)


if __name__ == "__main__":
    stage("download", __doc__, DownloadSlice, run, {"out": "folder for manifest.json and the scenes"})
