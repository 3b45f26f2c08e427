"""Arrays written to the disk piece by piece."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np

UNSAVED = (
    32 * 2**20
)  # bytes written before they are sent to the disk: waiting for all of them at the end takes longer


class ArrayFile:
    """A .npy file of uint8 values, written in order; a memory map would fill the memory.

    It is written and hashed in threads, while the next values are made: what `write` gets must
        stand as it is until
    the next `write` returns.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self._file, self._unsaved = path.open("wb"), 0
        self._hash = hashlib.sha256()
        self._threads = ThreadPoolExecutor(2)
        self._pending: list[Future] = []
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self.write(header.getvalue())

    def write(self, values: np.ndarray | bytes) -> None:
        """Append `values`, C-contiguous.

        Raises:
            OSError: those before them could not be written.
        """
        self._wait()
        self._pending = [
            self._threads.submit(take, values) for take in (self._save, self._hash.update)
        ]

    @property
    def sha256(self) -> str:
        """Hex digest of the file, once it is closed."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, self._threads:
            self._wait()

    def _save(self, values: np.ndarray | bytes) -> None:
        self._unsaved += self._file.write(values)
        if self._unsaved > UNSAVED:
            os.fsync(self._file.fileno())
            self._unsaved = 0

    def _wait(self) -> None:
        for pending in self._pending:
            pending.result()
