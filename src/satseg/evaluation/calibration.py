"""Whether probabilities hold: what share of the pixels of some confidence are right, before and
after the temperature that fits the validation tiles best (arXiv 1706.04599)."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import cross_entropy

from satseg.data.labels import NO_LABEL
from satseg.data.loader import TileDataset, loader
from satseg.data.store import Tiles
from satseg.devices import device, loader_workers
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter, positions, probabilities
from satseg.progress import watched

BINS = 20  # of confidence, from 0 to 1
ENOUGH = 2 * 10**6  # pixels that a temperature is fitted to
BOUNDS = (math.log(0.05), math.log(20))  # of its logarithm


def fit_temperature(segmenter: Segmenter, store: Tiles, tile_numbers: np.ndarray) -> float:
    """The temperature that gives the labels of these tiles the highest likelihood, from a regular
    grid of their pixels.

    Args:
        segmenter: the trained model, on the device at hand, with temperature 1.
        store: the tiles.
        tile_numbers: those to fit to, int64 [N].

    Raises:
        UserError: no pixel of them has a label that counts.
    """
    height, width = store.masks.shape[1:]
    step = math.ceil(math.sqrt(max(1, len(tile_numbers) * height * width / ENOUGH)))
    parts = []
    for shares, target in _predicted(segmenter, store, tile_numbers):
        known = target[:, ::step, ::step]
        logits = shares[..., ::step, ::step].clamp_min(1e-12).log().movedim(1, -1)
        labelled = known != NO_LABEL
        parts.append((logits[labelled].cpu(), known[labelled].cpu()))
    logits = torch.cat([own for own, _ in parts])
    labels = torch.cat([own for _, own in parts])
    if not len(labels):
        raise UserError("calibrate: no pixel of the validation tiles has a label that counts")

    def loss(logarithm: float) -> float:
        return float(cross_entropy(logits / math.exp(logarithm), labels))

    return math.exp(minimize_scalar(loss, bounds=BOUNDS, method="bounded").x)


def reliability(segmenter: Segmenter, store: Tiles, tile_numbers: np.ndarray) -> dict:
    """How sure the model is of these tiles, and how often it is right.

    Args:
        segmenter: the trained model, on the device at hand; its temperature counts.
        store: the tiles.
        tile_numbers: those to look at, int64 [N].

    Returns:
        `pixels`; `nll`, the mean negative log-likelihood of the labels; `ece`, the expected
        calibration error; and `bins`, of equal width in confidence: `pixels` of each, the mean
        `confidence` and the share of `right` ones, None where there are none.
    """
    pixels = np.zeros(BINS)
    sums = np.zeros((2, BINS))
    nll = 0.0
    for shares, target in _predicted(segmenter, store, tile_numbers):
        labelled = target != NO_LABEL
        own = shares.movedim(1, -1)[labelled]
        labels = target[labelled]
        confidence, chosen = own.max(-1)
        nll -= float(own.gather(1, labels[:, None]).clamp_min(1e-12).log().double().sum())
        place = (confidence * BINS).long().clamp_max(BINS - 1).cpu().numpy()
        values = (confidence.double().cpu().numpy(), (chosen == labels).cpu().numpy())
        pixels += np.bincount(place, minlength=BINS)
        for total, value in zip(sums, values, strict=True):
            total += np.bincount(place, value, minlength=BINS)

    count = max(1, int(pixels.sum()))
    means = sums / np.maximum(pixels, 1)
    bins = [
        {
            "pixels": int(own),
            "confidence": round(float(confidence), 6) if own else None,
            "right": round(float(right), 6) if own else None,
        }
        for own, confidence, right in zip(pixels, *means, strict=True)
    ]
    error = float((pixels * np.abs(means[0] - means[1])).sum() / count)
    return {"pixels": int(pixels.sum()), "nll": nll / count, "ece": error, "bins": bins}


def _predicted(
    segmenter: Segmenter, store: Tiles, tile_numbers: np.ndarray
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Probabilities [B, counted, H, W] and positions of the labels [B, H, W], batch by batch."""
    batches = loader(TileDataset(store, tile_numbers), segmenter.batch_size, loader_workers())
    for images, masks, _ in watched(batches, len(batches), "calibrating", "batches"):
        shares = probabilities(segmenter, images.to(device(), non_blocking=True))
        yield shares, positions(masks.to(device(), non_blocking=True), segmenter.counted)
