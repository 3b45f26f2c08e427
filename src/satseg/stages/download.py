"""Get the scenes of a dataset, as published, and list every file with its hash."""

import shutil
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from satseg.errors import UserError
from satseg.files import files_below, room, sha256, write_json
from satseg.jobs.program import stage
from satseg.jobs.slices import DownloadSlice
from satseg.progress import log


def run(spec: DownloadSlice, out: str) -> None:
    """Fill the folder `out`; its `manifest.json`, written last, says where the scenes lie and what
    they are."""
    folder, scenes = Path(out), Path(out, "scenes")
    partial, new = folder / ".scenes.tmp", not folder.exists()
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with room(folder):
            partial.mkdir(parents=True)
            root, origin = bring(spec, partial)
            files = listed(root)
            # From here on the old manifest would lie.
            Path(folder, "manifest.json").unlink(missing_ok=True)
            if not root.is_relative_to(
                scenes.resolve()
            ):  # the user's own folder may be the one we would write
                shutil.rmtree(scenes, ignore_errors=True)
            if root == partial:
                partial.rename(scenes)
                root = scenes
    except UserError as error:
        raise UserError(f"datasets.{spec.dataset}: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if new:
            with suppress(OSError):
                folder.rmdir()  # where nothing came of it
    place = "scenes" if root == scenes else str(root)
    write_json(
        folder / "manifest.json",
        {"dataset": spec.dataset, "origin": origin, "root": place, "files": files},
    )
    log.info(
        "%s: %d files, %.1f MB in %s",
        spec.dataset,
        len(files),
        sum(f["bytes"] for f in files) / 1e6,
        root,
    )


def bring(spec: DownloadSlice, folder: Path) -> tuple[Path, dict]:
    """Where the scenes lie now, in `folder` or where the user has them, and what the manifest says
    of their origin."""
    # Each source is looked up by name, so that an edit of one brings no other's scenes again.
    if spec.path is not None:
        return import_module("satseg.data.sources.local").locate(spec.path, folder), {
            "path": spec.path
        }
    # A source that has a second one says which of them delivered.
    used = import_module(f"satseg.data.sources.{spec.source.kind}").fetch(spec.source, folder)
    return folder, (used or spec.source).model_dump()


def listed(root: Path) -> list[dict]:
    """Path, size and digest of every file below `root`.

    Raises:
        UserError: there is none.
    """
    files = files_below(root)
    if not files:
        raise UserError(f"{root}: no file in it; check `path` or `source`")
    return [
        {
            "path": file.relative_to(root).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": sha256(file),
        }
        for file in files
    ]


if __name__ == "__main__":
    stage(
        "download", __doc__, DownloadSlice, run, {"out": "folder for manifest.json and the scenes"}
    )
