"""Fetch the scenes of a dataset, as published, and list every file with its hash."""

import os
from importlib import import_module
from pathlib import Path

from satseg.data.raw import (
    MANIFEST,
    SCENES,
    drop_archives,
    fetching_folder,
    list_files,
    place,
)
from satseg.errors import UserError
from satseg.files import new_folders, remove, room, write_json
from satseg.jobs.program import stage
from satseg.jobs.slices import DownloadSlice
from satseg.jobs.writing import Output
from satseg.jobs.writing import folder as locked_folder
from satseg.progress import log


def run(job: DownloadSlice, out: str) -> list[Path]:
    """Fill the folder `out`; its `manifest.json`, written last, lists where the scenes lie and what
    they are.

    What the user put there stays: a `path` is read where it lies, a `scenes` that is a link stays
    one, and in it only files of an earlier download are replaced.
    """
    folder = Path(out)
    try:
        with new_folders(folder), room(folder):
            fetched = fetching_folder(folder)
            try:
                root, origin = fetch(job, fetched)
                files = list_files(root, folder)
                is_ours = root == fetched
                if is_ours:
                    place(fetched, folder, files)
            finally:
                remove(fetched)

            manifest = {
                "dataset": job.dataset,
                "origin": origin,
                "root": SCENES if is_ours else written_root(job.path, root, folder),
                "files": files,
            }
            write_json(folder / MANIFEST, manifest)
    except UserError as error:
        raise UserError(f"datasets.{job.dataset}: {error}") from None

    megabytes = sum(file["bytes"] for file in files) / 1e6
    place_of_files = folder / SCENES if is_ours else root
    log.info("%s: %d files, %.1f MB in %s", job.dataset, len(files), megabytes, place_of_files)
    return [folder / MANIFEST]


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


def written_root(path: str, root: Path, folder: Path) -> str:
    """How the manifest in `folder` says where a `path` leads: from there, if the path is relative,
    so that a copied project reads its own scenes."""
    leads = os.path.relpath(path, folder.resolve())
    is_own = not Path(path).expanduser().is_absolute() and Path(folder, leads).resolve() == root
    return leads if is_own else str(root)


def writes(job: DownloadSlice, out: str) -> list[Output]:
    """The dataset's folder, and that of its scenes if it lies elsewhere."""
    scenes = Path(out, SCENES)
    elsewhere = [locked_folder(scenes)] if scenes.is_symlink() and scenes.is_dir() else []
    return [locked_folder(out), *elsewhere]


def tidy(job: DownloadSlice, out: str) -> None:
    """Remove the archives, which a download that is interrupted before this would unpack again."""
    if job.path is None:
        drop_archives(Path(out))


if __name__ == "__main__":
    paths = {"out": "folder for manifest.json and the scenes"}
    stage("download", __doc__, DownloadSlice, run, paths, writes, tidy)
