"""Confusion matrices by brightness, against a loop over pixels."""

import numpy as np
import pytest
import torch

from satseg.metrics.confusion import BINS, WIDTH, Confusion, class_counts, confusion_table
from satseg.metrics.counts import tile_counts

CLASSES = 3


def batch(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of four bands, masks with gaps, predictions."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, 4, 6, 5)).astype(np.uint8)
    images[0] //= 8  # one that lies in shadow
    masks = rng.integers(0, CLASSES, (3, 6, 5)).astype(np.uint8)
    masks[:, 0] = 255
    return images, masks, rng.integers(0, CLASSES, (3, 6, 5))


def looped(batches) -> np.ndarray:
    """Pixels by brightness, truth and prediction, one by one."""
    pixels = np.zeros((BINS, CLASSES, CLASSES), int)
    for images, masks, predictions in batches:
        for tile, row, column in np.ndindex(masks.shape):
            truth = masks[tile, row, column]
            if truth != 255:
                level = int(images[tile, :, row, column].mean()) // WIDTH
                pixels[level, truth, predictions[tile, row, column]] += 1
    return pixels


@pytest.mark.parametrize("scale", [1, 255])
def test_pixels_are_those_of_a_loop_over_two_batches(scale):
    batches = [batch(0), batch(1)]
    confusion = Confusion(CLASSES)
    for images, masks, predictions in batches:
        shown = torch.from_numpy(images)
        shown = shown if scale == 1 else shown.double() / scale
        confusion.add(shown, torch.from_numpy(masks), torch.from_numpy(predictions))
    expected = looped(batches)
    if scale == 1:
        assert np.array_equal(confusion.counts(), expected)
    else:  # a mean of bands on the edge of a bin may round to either side
        assert np.abs(confusion.counts() - expected).sum() <= 4

    table = confusion_table(expected, ["a", "b", "c"])
    assert table["pixels"].sum() == sum((masks != 255).sum() for _, masks, _ in batches)
    row = table[(table["brightness"] == 0) & (table["truth"] == "b") & (table["prediction"] == "c")]
    assert row["pixels"].item() == expected[0, 1, 2]


def test_counts_of_a_matrix_are_those_of_its_pixels():
    images, masks, predictions = batch(2)
    confusion = Confusion(CLASSES)
    tensors = (torch.from_numpy(masks), torch.from_numpy(predictions))
    confusion.add(torch.from_numpy(images), *tensors)
    expected = tile_counts(tensors[1], tensors[0], CLASSES).sum(0).numpy()
    assert np.array_equal(class_counts(confusion.counts().sum(0)), expected)
