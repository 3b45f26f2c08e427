"""What an output was made of: a record beside it, written by the job that made it and compared
before anything believes the output.

A record holds digests: of the job's configuration (`slice`) and source files (`code`), of every
file it read (`inputs`) and of every file it wrote (`outputs`, with their sizes).
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from satseg.errors import UserError
from satseg.files import sha256, write_json
from satseg.processes import this_process

SUFFIX = ".made.json"
LARGE = 100 * 2**20  # bytes: above this size, only what a record names has a digest
DAMAGED = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, IsADirectoryError,
)  # fmt: skip
SEEN = Path(".snakemake", "satseg", "seen.json")

_read: dict[str, str | None] = {}
_copies: list[Path] = []
_seen: dict[str, list] = {}


# --- writing --------------------------------------------------------------------------------------


def write_record(
    outputs: Iterable[str | Path],
    slice_digest: str,
    code: str | None,
    inputs: Mapping[str, str | None] | None = None,
) -> None:
    """Write the record of a job that has finished.

    Args:
        outputs: files it wrote, the first one's name in front.
        slice_digest: `digest_of` its slice.
        code: digest of its source files; None if it is not known.
        inputs: file → digest (default: every file that this process has read).
    """
    first, *_ = paths = [Path(output) for output in outputs]
    entries = {}
    for path in paths:
        name = Path(os.path.relpath(path, first.parent)).as_posix()
        digest = _written(path)
        state = path.stat()
        # The time of the last change of any kind: a program cannot set it.
        entries[name] = {
            "sha256": digest,
            "bytes": state.st_size,
            "changed": state.st_ctime_ns,
        }
    record = {
        "slice": slice_digest,
        "code": code,
        "inputs": dict(sorted((_read if inputs is None else inputs).items())),
        "outputs": entries,
    }
    write_json(record_of(first), record)


def _written(path: Path) -> str:
    """Digest of an output; that of a large array was taken while it was written."""
    digests = path.with_name("digests.json")
    if path.suffix == ".npy" and digests.exists():
        try:
            return json.loads(digests.read_text(encoding="utf-8"))[path.name]
        except (ValueError, KeyError, TypeError, RecursionError):
            pass  # not such a file
    return sha256(path)


def digest_of(argument: str) -> str:
    """Digest of a slice from what a job is given: its JSON, or the file that is named by it."""
    if argument.startswith("{"):
        return hashlib.sha256(argument.encode()).hexdigest()
    return Path(argument).stem


def note(path: str | Path) -> None:
    """Remember that this process reads a file.

    Raises:
        UserError: it is not what its record says.
    """
    path = Path(path).absolute()
    is_own = f".{this_process()}." in path.name  # a temporary file, which it is writing
    if is_own or any(path.is_relative_to(copy) for copy in _copies):
        return
    here = Path.cwd()
    name = os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
    if name in _read:
        return

    known = recorded(path)
    if known is not None and not fits(path, known):
        raise UserError(
            f"{name}: changed since it was made; delete it and run the stage that writes it"
        )
    _read[name] = known["sha256"] if known else current(path)


def is_copy(folder: str | Path) -> None:
    """Take nothing of this folder for read: its original has been read already."""
    _copies.append(Path(folder).absolute())


# --- comparing ------------------------------------------------------------------------------------


def record_of(output: str | Path) -> Path:
    """The record of the job whose first output this is."""
    return Path(output).with_suffix(SUFFIX)


def load_record(output: str | Path) -> dict[str, Any] | None:
    """The record of the job whose first output this is; None if there is none, empty if it is
    damaged."""
    path = record_of(output)
    try:
        return _load(path, path.stat().st_ctime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None


@cache
def _load(path: Path, changed: int) -> dict[str, Any]:
    """Read once, until `changed` changes."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        for key in ("slice", "code"):
            record[key]
        record["inputs"].keys()
        for entry in record["outputs"].values():
            entry["sha256"], entry["bytes"], entry["changed"]
    except DAMAGED:  # one that may not be read, as opposed to that, says nothing of its outputs
        return {}
    return record


@cache
def _entries(folder: str, changed: int) -> dict[str, dict[str, Any]]:
    """What the records in a folder say of files: read once, until `changed` changes."""
    entries = {}
    for path in sorted(_folder(folder).glob(f"*{SUFFIX}")):
        entries |= _load(path, path.stat().st_ctime_ns).get("outputs", {})
    return entries


_folder = cache(Path)  # making one takes longer than asking the disk


def recorded(path: str | Path) -> dict[str, Any] | None:
    """Digest and size of a file, as `sha256` and `bytes`, if a record beside it or beside its
    folder names it."""
    # Plain texts: a plan of a thousand cells asks this of ten thousand files.
    folder, name = os.path.split(path)
    above, folder_name = os.path.split(folder)
    for place, known_as in ((folder or ".", name), (above or ".", f"{folder_name}/{name}")):
        try:
            entry = _entries(place, _folder(place).stat().st_ctime_ns).get(known_as)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if entry is not None:
            return entry
    return None


def current(path: str | Path) -> str | None:
    """Digest of a file: the recorded one, else that of its content; None of a large file that no
    record names, and of what is no file."""
    known = recorded(path)
    if known is not None:
        return known["sha256"]
    path = Path(path)
    small = path.is_file() and path.stat().st_size <= LARGE
    return _content(path) if small else None


def fits(path: str | Path, entry: Mapping[str, Any]) -> bool:
    """Whether a file is what a record's entry says; it is read only if it has been changed in any
    way, such as copied or given another date."""
    state = Path(path).stat()
    if state.st_size != entry["bytes"]:
        return False
    return state.st_ctime_ns == entry["changed"] or _content(Path(path)) == entry["sha256"]


def _content(path: Path) -> str:
    """Digest of a file's content: read once, until it is changed."""
    name = os.fspath(path.absolute())
    state = path.stat()
    version = [state.st_size, state.st_ctime_ns, state.st_ino]
    known = _seen.get(name)
    if not known or known[:3] != version:
        known = _seen[name] = [*version, sha256(path)]
    return known[3]


def recall() -> None:
    """Take over what `remember` wrote, of content read by earlier processes in this folder."""
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        known = json.loads(SEEN.read_text(encoding="utf-8"))
        _seen.update(
            {
                name: entry
                for name, entry in known.items()
                if isinstance(entry, list) and len(entry) == 4
            }
        )


def remember() -> None:
    """Spare later processes the reading of what this one has read to compare it."""
    if _seen:
        write_json(SEEN, _seen)
