"""Fetch the scenes of a dataset, as published, and list every file with its hash."""

import shutil
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from satseg.errors import UserError
from satseg.files import files_below, room, sha256, write_json
from satseg.jobs.program import stage
from satseg.jobs.slices import DownloadSlice
from satseg.progress import log


def run(job: DownloadSlice, out: str) -> None:
    """Fill the folder `out`; its `manifest.json`, written last, lists where the scenes lie and what
    they are."""
    folder = Path(out)
    scenes = folder / "scenes"
    partial = folder / ".scenes.tmp"
    is_new = not folder.exists()

    shutil.rmtree(partial, ignore_errors=True)
    try:
        with room(folder):
            partial.mkdir(parents=True)
            root, origin = fetch(job, partial)
            files = list_files(root)

            # From here on the old manifest would be wrong.
            Path(folder, "manifest.json").unlink(missing_ok=True)
            # The user's own folder may be the very one that would be replaced.
            if not root.is_relative_to(scenes.resolve()):
                shutil.rmtree(scenes, ignore_errors=True)
            if root == partial:
                partial.rename(scenes)
                root = scenes
    except UserError as error:
        raise UserError(f"datasets.{job.dataset}: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # if it failed before anything was kept

    manifest = {
        "dataset": job.dataset,
        "origin": origin,
        "root": "scenes" if root == scenes else str(root),
        "files": files,
    }
    write_json(folder / "manifest.json", manifest)

    megabytes = sum(file["bytes"] for file in files) / 1e6
    log.info("%s: %d files, %.1f MB in %s", job.dataset, len(files), megabytes, root)


def fetch(job: DownloadSlice, folder: Path) -> tuple[Path, dict]:
    """Where the scenes lie now, in `folder` or in the user's own, and their origin for the
    manifest."""
    # Each source is looked up by name, so that editing one fetches no other's scenes again.
    if job.path is not None:
        root = import_module("satseg.data.sources.local").locate(job.path, folder)
        return root, {"path": job.path}

    # A source with a fallback returns the one that delivered.
    used = import_module(f"satseg.data.sources.{job.source.kind}").fetch(job.source, folder)
    return folder, (used or job.source).model_dump()


def list_files(root: Path) -> list[dict]:
    """Path, size and digest of every file below `root`.

    Raises:
        UserError: there are none.
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
