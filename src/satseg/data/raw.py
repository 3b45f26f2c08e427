"""The folder of a dataset's scenes: what lies in it, and what a download may replace."""

import os
import re
from pathlib import Path

from satseg.errors import UserError
from satseg.files import files_below, remove, sha256, temporary_name, write_json
from satseg.processes import OWNER
from satseg.readers import read_json

MANIFEST = "manifest.json"
SCENES = "scenes"
DOWNLOADS = ".downloads"
# Path → digest of each file that a download has put into `scenes`. Snakemake deletes the manifest
# before a download begins, and would take with it the knowledge of what is the user's.
PLACED = ".scenes.json"
OWN = re.compile(rf"\.downloads|\.lock|\.scenes\.{OWNER}\.tmp")
# How archives are called in DOWNLOADS: by content or by source, finished or not.
ARCHIVE = re.compile(r"[0-9a-f]{32,}\.(zip|part)|tmp\w{8}|kaggle-.+\.zip|kaggle\.tmp")


def fetching_folder(folder: Path) -> Path:
    """A new, empty folder for scenes, on the disk where they are to lie: `scenes` may be a link to
    a larger one.

    Raises:
        UserError: that link leads nowhere.
    """
    place = _place(folder)
    if not place.is_dir() and place != folder:
        raise UserError(
            f"{folder / SCENES}: a link to {place}, which is no folder; create it, or mount its "
            f"disk"
        )
    fetched = temporary_name(place / SCENES)
    remove(fetched)
    fetched.mkdir(parents=True)
    return fetched


def _place(folder: Path) -> Path:
    """Where downloads of a dataset lie until they are its scenes."""
    scenes = folder / SCENES
    return Path(os.path.realpath(scenes)) if scenes.is_symlink() else folder


def list_files(root: Path, folder: Path) -> list[dict]:
    """Path, size and digest of every file below `root`, except what the pipeline itself keeps in
    `folder`, which may lie below `root`.

    Raises:
        UserError: there are none.
    """
    files = files_below(root)
    kept = folder.resolve()
    if kept.is_relative_to(root.resolve()):
        files = [file for file in files if not _is_own(file.resolve(), kept)]
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


def _is_own(file: Path, folder: Path) -> bool:
    """Whether the pipeline itself keeps this file in a dataset's folder."""
    if not file.is_relative_to(folder):
        return False
    parts = file.relative_to(folder).parts
    return parts in ((MANIFEST,), (PLACED,)) or bool(OWN.fullmatch(parts[0]))


def place(fetched: Path, folder: Path, files: list[dict]) -> None:
    """Make `fetched` the dataset's scenes, in place of what an earlier download put there.

    Args:
        fetched: a folder of `fetching_folder`; empty afterwards.
        folder: the dataset's folder.
        files: what `list_files` lists of it.

    Raises:
        UserError: `scenes` holds a file that is from no download; nothing is changed.
    """
    scenes = folder / SCENES
    new = {file["path"]: file["sha256"] for file in files}
    known = read_json(folder / PLACED, []) if (folder / PLACED).is_file() else {}
    present = {path: sha256(scenes / path) for path in _present(scenes)}
    for path, digest in present.items():
        if digest not in (known.get(path), new.get(path)):
            raise UserError(
                f"{scenes / path}: not from a download, which would replace it; move it elsewhere"
            )

    write_json(folder / PLACED, present | new)
    if present == new:
        return
    # From here on the old manifest would be wrong.
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in present:
        (scenes / path).unlink()
    _remove_empty(scenes)
    scenes.mkdir(exist_ok=True)
    for entry in fetched.iterdir():
        entry.rename(scenes / entry.name)


def _present(scenes: Path) -> list[str]:
    """The files in a dataset's scenes.

    Raises:
        UserError: it holds a link.
    """
    paths = []
    for place, folders, names in os.walk(scenes):
        if Path(place) == scenes:
            folders[:] = [name for name in folders if not OWN.fullmatch(name)]
            names = [name for name in names if not OWN.fullmatch(name)]
        for path in (Path(place, name) for name in [*folders, *names]):
            if path.is_symlink():
                raise UserError(
                    f"{path}: a link, and from no download, which would replace it; move it "
                    f"elsewhere"
                )
        paths += [Path(place, name).relative_to(scenes).as_posix() for name in names]
    return sorted(paths)


def _remove_empty(scenes: Path) -> None:
    """Remove the folders below `scenes` that hold nothing."""
    for place, folders, _ in os.walk(scenes, topdown=False):
        for name in folders:
            path = Path(place, name)
            if not any(path.iterdir()) and not OWN.fullmatch(name):
                path.rmdir()


def drop_archives(folder: Path) -> None:
    """Remove the archives that a dataset's scenes came from."""
    store = _place(folder) / DOWNLOADS
    if not store.is_dir():
        return
    for archive in store.iterdir():
        if ARCHIVE.fullmatch(archive.name):
            remove(archive)
    if not any(store.iterdir()):
        store.rmdir()
