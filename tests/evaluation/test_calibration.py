"""The temperature against labels drawn from a known one, and the calibration error by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from satseg.data.store import Tiles
from satseg.evaluation.calibration import BINS, fit_temperature, reliability
from satseg.models.segmenter import Segmenter, probabilities

TRUE = 2.5
CLASSES = ["a", "b", "c"]


class Bright(torch.nn.Module):
    """Logits that are known: six times each band's brightness."""

    def forward(self, images):
        return images * 6


@pytest.fixture(scope="module")
def store() -> Tiles:
    """Labels drawn from the probabilities of temperature 2.5; some pixels have none."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 64, 64, 3)).astype(np.uint8)
    shares = np.exp(images / 255 * 6 / TRUE)
    shares /= shares.sum(-1, keepdims=True)
    masks = (rng.random((6, 64, 64, 1)) > shares.cumsum(-1)[..., :2]).sum(-1).astype(np.uint8)
    masks[:, :5] = 255
    return Tiles(images, masks, pd.DataFrame({"tile": range(6)}))


@pytest.fixture(scope="module")
def model() -> Segmenter:
    return Segmenter(Bright(), CLASSES, [0, 1, 2], True, 2, "unit", "32")


def test_the_temperature_is_the_one_labels_were_drawn_with(store, model):
    found = fit_temperature(model, store, np.arange(6))
    assert found == pytest.approx(TRUE, rel=0.05)
    losses = {
        value: reliability(model._replace(temperature=value), store, np.arange(6))["nll"]
        for value in (found, found * 0.97, found * 1.03)
    }
    assert min(losses, key=losses.get) == found


def test_the_error_is_that_of_bins_by_hand(store, model):
    tiles = np.array([1, 4])
    found = reliability(model, store, tiles)
    images = torch.from_numpy(store.images[tiles]).permute(0, 3, 1, 2)
    shares = probabilities(model, images).permute(0, 2, 3, 1).numpy()
    known = store.masks[tiles] != 255
    shares, labels = shares[known], store.masks[tiles][known]
    sure, right = shares.max(-1), shares.argmax(-1) == labels
    error = 0.0
    for i in range(BINS):
        own = (sure >= i / BINS) & (sure < (i + 1) / BINS)
        assert found["bins"][i]["pixels"] == own.sum()
        if own.any():
            error += own.mean() * abs(sure[own].mean() - right[own].mean())
            assert found["bins"][i]["right"] == pytest.approx(right[own].mean(), abs=1e-6)
    assert found["pixels"] == known.sum()
    assert found["ece"] == pytest.approx(error, abs=1e-6)
    own = shares[np.arange(len(labels)), labels]
    assert found["nll"] == pytest.approx(-np.log(own).mean(), rel=1e-5)

    after = reliability(model._replace(temperature=TRUE), store, np.arange(6))
    assert after["ece"] < 0.02 < found["ece"]
