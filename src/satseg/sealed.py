"""Files of tensors that carry a digest of their content: torch does not look at the checksums in
its own files."""

import hashlib
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from satseg.files import atomic

DIGEST = "digest"


def save(path: str | Path, content: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values with a digest of all of it, atomically; the
    same content makes the same bytes."""
    content[DIGEST] = digest(content)
    # Given a name, torch would write it into the file, and a temporary one is never the same twice.
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def load(path: str | Path, mmap: bool = False) -> dict[str, Any]:
    """What `save` wrote, without the digest, on the CPU; nothing in the file is executed.

    Files of earlier versions have no digest and are taken as they are.

    Raises:
        ValueError: the content is not what was saved.
        Exception: any other that `torch.load` raises about a file that is not its own.
    """
    with warnings.catch_warnings(action="ignore"):  # about a file that is not torch's
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    expected = content.pop(DIGEST, None)
    if expected is not None and expected != digest(content):
        raise ValueError(f"{path}: changed since it was written")
    return content


def digest(content: dict[str, Any]) -> str:
    """Digest of every name, value and tensor: its type, shape and bytes in logical order."""
    parts = hashlib.sha256()
    for part in _parts({key: value for key, value in content.items() if key != DIGEST}):
        parts.update(f"{part}\0".encode())
    return parts.hexdigest()


def _parts(value: Any) -> Iterator[str]:
    """A text for each piece of a nested value."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        # Against accidents CRC-32 is enough, and it is the fastest there is: a checkpoint may be
        # hundreds of megabytes, every epoch.
        yield f"{value.dtype} {list(value.shape)} {zlib.crc32(flat.view(torch.uint8).numpy())}"
    elif isinstance(value, Mapping):
        yield f"{len(value)} entries"
        for key, entry in value.items():
            yield repr(key)
            yield from _parts(entry)
    elif isinstance(value, list | tuple):
        yield f"{len(value)} values"
        for entry in value:
            yield from _parts(entry)
    else:
        yield repr(value)
