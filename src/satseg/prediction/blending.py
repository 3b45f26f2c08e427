"""Overlapping windows over a scene, blended without a seam, in memory that does not grow with the
scene."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from satseg.models.segmenter import Segmenter, probabilities
from satseg.prediction.windows import Axis

Score = Callable[[torch.Tensor], torch.Tensor]
"""Images uint8 [B, C, H, W] → probabilities of the counted classes, float32 [B, counted, H, W]."""
Read = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


class FinishedRows(NamedTuple):
    """Rows of a strip to which every window has contributed."""

    top: int
    """First row in the scene."""
    probabilities: torch.Tensor
    """float32 [C, rows, columns], on the model's device."""
    nodata: np.ndarray
    """bool [rows, columns]: where the scene has no data."""


def blend(
    segmenter: Segmenter,
    read: Read,
    rows: Axis,
    columns: Axis,
    batch_size: int,
    advance: Callable[[int], Any],
    score: Score | None = None,
) -> Iterator[FinishedRows]:
    """Predict window by window, a row of windows at a time, and yield rows of the scene as they are
    finished.

    What is yielded stays valid only until the next rows are asked for.

    Args:
        segmenter: a trained model.
        read: a range of rows → pixels uint8 [h, w, C] and bool [h, w] (no data), over all
            `columns`; fewer rows at the end of the scene. It is called in a thread of its own.
        rows: the windows from top to bottom.
        columns: the windows from left to right.
        batch_size: windows per forward pass.
        advance: called with the number of windows that have been finished since the last call.
        score: what gives the probabilities; None for the model itself.
    """
    score = score or partial(probabilities, segmenter)
    device = next(segmenter.model.parameters()).device
    row_weights = torch.from_numpy(rows.weights).to(device)
    column_weights = torch.from_numpy(columns.weights).to(device)

    size = rows.size
    places = [start - columns.starts[0] for start in columns.starts]
    ends = [*rows.starts[1:], rows.starts[-1] + size]
    sums = torch.zeros(len(segmenter.counted), size, places[-1] + size, device=device)

    with closing(_ahead(_window_rows(read, rows))) as window_rows:
        for i, (image, nodata) in enumerate(window_rows):
            live = [j for j, x in enumerate(places) if not nodata[:, x : x + size].all()]
            if len(live) < len(places):
                advance(len(places) - len(live))

            for k in range(0, len(live), batch_size):
                batch = live[k : k + batch_size]
                tiles = np.stack([image[:, places[j] : places[j] + size] for j in batch])
                images = torch.from_numpy(tiles).to(device).permute(0, 3, 1, 2)
                for j, shares in zip(batch, score(images), strict=True):
                    weights = row_weights[i][:, None] * column_weights[j]
                    sums[:, :, places[j] : places[j] + size].addcmul_(shares, weights)
                advance(len(batch))

            height = ends[i] - rows.starts[i]
            yield FinishedRows(rows.starts[i], sums[:, :height], nodata[:height])
            sums[:, : size - height] = sums[:, height:].clone()
            sums[:, size - height :] = 0


def _window_rows(read: Read, rows: Axis) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pixels and no-data of one row of windows after another; rows that two share are read once."""
    image, nodata = read(0, rows.size)
    first = 0
    end = len(image)
    for start in rows.starts:
        new_image, new_nodata = read(end, start + rows.size)
        image = np.concatenate([image[start - first :], new_image])
        nodata = np.concatenate([nodata[start - first :], new_nodata])
        first = start
        end += len(new_image)

        below = (0, rows.size - len(image))
        # Mirrored surroundings are closer to what the model knows than black ones.
        yield (
            np.pad(image, (below, (0, 0), (0, 0)), "reflect"),
            np.pad(nodata, (below, (0, 0)), constant_values=True),
        )


def _ahead(items: Iterator) -> Iterator:
    """The same items, each prepared in a thread while the one before it is in use."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        next_item = pool.submit(next, items, end)
        while (item := next_item.result()) is not end:
            next_item = pool.submit(next, items, end)
            yield item
