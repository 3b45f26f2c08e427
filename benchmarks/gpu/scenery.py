"""A scene drawn with NumPy alone, where SciPy is missing."""

from pathlib import Path

import numpy as np

CLASSES = 6


def draw(folder: Path, size: int) -> None:
    """Write the scene that `benchmarks.imagery` cuts its tiles from, beside the folder.

    Every class has a colour; fields of 16² pixels get theirs by chance, and all pixels noise.

    Args:
        folder: a part's folder.
        size: side of the scene, pixels, a multiple of 16.
    """
    rng = np.random.default_rng(0)
    fields = rng.integers(0, CLASSES, (size // 16, size // 16), np.uint8)
    mask = np.kron(fields, np.ones((16, 16), np.uint8))
    colours = rng.integers(40, 216, (CLASSES, 3))
    noise = rng.normal(0, 12, (size, size, 3))
    image = (colours[mask] + noise).clip(0, 255).astype(np.uint8)
    np.savez(folder.parent / f"drawn{size}.npz", image=image, mask=mask)
