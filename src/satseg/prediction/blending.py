"""Overlapping windows over a scene, blended without a seam, in memory that does not grow with the
scene."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import torch

from satseg.models.segmenter import Segmenter, probabilities
from satseg.prediction.windows import Axis

Read = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


class Block(NamedTuple):
    """Finished rows of a strip."""

    top: int
    """First row in the scene."""
    probabilities: torch.Tensor
    """float32 [C, rows, columns], on the model's device."""
    gone: np.ndarray
    """bool [rows, columns]: where the scene has no data."""


def blend(
    segmenter: Segmenter,
    read: Read,
    rows: Axis,
    columns: Axis,
    batch_size: int,
    done: Callable[[int], Any],
) -> Iterator[Block]:
    """Predict window by window, a row of windows at a time, and yield rows of the scene as they are
    finished.

    A block holds good until the next is asked for.

    Args:
        segmenter: a trained model.
        read: a range of rows → pixels uint8 [h, w, C] and bool [h, w] (no data), over all
            `columns`; fewer rows where the scene ends. It is called in a thread of its own.
        rows: the windows from top to bottom.
        columns: the windows from left to right.
        batch_size: windows per forward pass.
        done: told how many windows are finished, time and again.
    """
    device = next(segmenter.model.parameters()).device
    size, left = rows.size, columns.starts[0]
    down, across = (torch.from_numpy(axis.weights).to(device) for axis in (rows, columns))
    sums = torch.zeros(
        len(segmenter.counted), size, columns.starts[-1] + size - left, device=device
    )
    ends = [*rows.starts[1:], rows.starts[-1] + size]
    places = [start - left for start in columns.starts]
    with closing(_ahead(_bands(read, rows))) as bands:
        for i, (image, gone) in enumerate(bands):
            live = [j for j, x in enumerate(places) if not gone[:, x : x + size].all()]
            done(len(places) - len(live))
            for k in range(0, len(live), batch_size):
                chosen = live[k : k + batch_size]
                images = torch.from_numpy(
                    np.stack([image[:, places[j] : places[j] + size] for j in chosen])
                )
                results = probabilities(segmenter, images.to(device).permute(0, 3, 1, 2))
                for j, result in zip(chosen, results, strict=True):
                    sums[:, :, places[j] : places[j] + size].addcmul_(
                        result, down[i][:, None] * across[j]
                    )
                done(len(chosen))
            height = ends[i] - rows.starts[i]
            yield Block(rows.starts[i], sums[:, :height], gone[:height])
            sums[:, : size - height] = sums[:, height:].clone()
            sums[:, size - height :] = 0


def _bands(read: Read, rows: Axis) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pixels and no-data of one row of windows after another; rows that two share are read once."""
    image, gone = read(0, rows.size)
    first, end = 0, len(image)
    for start in rows.starts:
        fresh, missing = read(end, start + rows.size)
        image = np.concatenate([image[start - first :], fresh])
        gone = np.concatenate([gone[start - first :], missing])
        first, end = start, end + len(fresh)
        below = (0, rows.size - len(image))
        # A mirrored surrounding is nearer to what the model knows than black.
        yield (
            np.pad(image, (below, (0, 0), (0, 0)), "reflect"),
            np.pad(gone, (below, (0, 0)), constant_values=True),
        )


def _ahead(items: Iterator) -> Iterator:
    """The same items, each made in a thread while the one before it is in use."""
    nothing = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, nothing)
        while (item := waiting.result()) is not nothing:
            waiting = pool.submit(next, items, nothing)
            yield item
