"""Arrays written to disk piece by piece."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np

# Bytes written before they are flushed to disk: flushing everything at the end takes longer.
UNSAVED = 32 * 2**20


class ArrayFile:
    """A .npy file of uint8 values, written in order; a memory map would fill the memory.

    Writing and hashing run in threads while the caller makes the next values, so an array passed to
    `write` must not change until the next `write` returns.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self._file = path.open("wb")
        self._unsaved = 0
        self._hash = hashlib.sha256()
        self._threads = ThreadPoolExecutor(2)
        self._pending: list[Future] = []

        header = BytesIO()
        description = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, description)
        self.write(header.getvalue())

    def write(self, values: np.ndarray | bytes) -> None:
        """Append `values`, C-contiguous.

        Raises:
            OSError: the previous ones could not be written.
        """
        self._wait()
        self._pending = [
            self._threads.submit(self._save, values),
            self._threads.submit(self._hash.update, values),
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
