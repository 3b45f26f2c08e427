"""Gives each cell of a notebook an id that follows from what it says, so that writing the notebook
again changes nothing: `python docs/site/notebook.py docs/tutorial.ipynb`."""

import hashlib
import sys

import nbformat


def set_ids(path: str) -> None:
    """Write the notebook with its cells' ids: a digest of each and, of several alike, its place."""
    notebook = nbformat.read(path, as_version=4)
    taken: set[str] = set()
    for place, cell in enumerate(notebook.cells):
        number = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        cell["id"] = number if number not in taken else f"{number}-{place}"
        taken.add(cell["id"])
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        set_ids(name)
