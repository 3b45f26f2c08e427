"""Evaluation: counts, augmentation of the evaluated tiles, and which tiles are shown."""

import numpy as np
import pandas as pd
import pytest
import torch

from satseg.config.models import UNetSpec
from satseg.config.recipes import Augmentation
from satseg.data.store import Tiles
from satseg.evaluation.counting import KeptPredictions, evaluate_tiles, predict_tiles, voted
from satseg.evaluation.panels import odd_tiles, panel_tiles
from satseg.models import build_model
from satseg.models.segmenter import Segmenter, probabilities
from small import unet

NAMES = ["road", "water"]
UNET = unet(4, bottleneck=4)


@pytest.fixture(scope="module")
def store() -> Tiles:
    """Twelve tiles of six scenes; roads are bright except in tile 7, water is dark except in tile 2."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (12, 16, 16)).astype(np.uint8)
    masks[:, :2] = 255
    level = np.where(masks == 0, 200, 40)
    level[7][masks[7] == 0] = 20
    level[2][masks[2] == 1] = 150
    images = np.clip(level[..., None] + rng.normal(0, 3, (12, 16, 16, 3)), 0, 255).astype(np.uint8)
    table = pd.DataFrame(
        {
            "tile": range(12),
            "scene": [f"s{i // 2}" for i in range(12)],
            "group": ["north"] * 8 + ["south"] * 4,
            "whole": 1,
        }
    )
    for index, name in enumerate(NAMES):
        table[f"pixels_{name}"] = (masks == index).sum((1, 2))
    return Tiles(images, masks, table)


@pytest.fixture(scope="module")
def segmenter(store) -> Segmenter:
    """Random weights, the head's bias set so that half the pixels go to either class."""
    torch.manual_seed(0)
    model = build_model(UNetSpec(**UNET), 2).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(store.images).permute(0, 3, 1, 2) / 255)
        model.head.bias[0] -= (logits[:, 0] - logits[:, 1]).median()
    return Segmenter(model, NAMES, [0, 1], True, 4, "unit", "32")


CHOSEN = np.arange(12)


def test_counts_are_those_of_the_tiles_as_they_are(store, segmenter):
    counts = evaluate_tiles(segmenter, store, CHOSEN, None)
    predictions = predict_tiles(segmenter, store, CHOSEN)
    assert predictions.dtype == np.uint8 and predictions.shape == (12, 16, 16)
    for tile in CHOSEN:
        labelled = store.masks[tile] != 255
        for c in (0, 1):
            guess = predictions[tile][labelled] == c
            truth = store.masks[tile][labelled] == c
            expected = [
                (guess & truth).sum(),
                (guess & ~truth).sum(),
                (~guess & truth).sum(),
                (~guess & ~truth).sum(),
            ]
            assert counts[tile, c].tolist() == expected


def test_evaluated_tiles_are_augmented_if_the_recipe_says_so(store, segmenter):
    changes = Augmentation(probability=1, hflip=True, vflip=True, everywhere=True)
    turned = Tiles(store.images[:, ::-1, ::-1], store.masks[:, ::-1, ::-1], store.table)
    counts = evaluate_tiles(segmenter, store, CHOSEN, changes)
    assert np.array_equal(counts, evaluate_tiles(segmenter, turned, CHOSEN, None))
    assert not np.array_equal(counts, evaluate_tiles(segmenter, store, CHOSEN, None))
    colour = Augmentation(brightness=0.9, everywhere=True)
    assert np.array_equal(
        evaluate_tiles(segmenter, store, CHOSEN, colour),
        evaluate_tiles(segmenter, store, CHOSEN, colour),
    )


def test_odd_tiles_are_those_where_a_class_does_not_look_like_itself(store):
    order = odd_tiles(store, CHOSEN, [0, 1], NAMES)
    assert set(order[:2]) == {(7, "road"), (2, "water")} and len(order) == 24
    assert odd_tiles(store, CHOSEN[:1], [0, 1], NAMES) == []  # one tile is like itself
    assert all(name == "road" for _, name in odd_tiles(store, CHOSEN, [0], ["road"]))


def test_kept_predictions_are_those_that_are_counted(store, segmenter):
    some = np.array([1, 4, 5, 11])
    kept = KeptPredictions(segmenter, some)
    evaluate_tiles(segmenter, store, CHOSEN, kept=kept)
    assert kept.all().dtype == np.uint8
    assert np.array_equal(kept.all(), predict_tiles(segmenter, store, some))


def test_kept_are_tiles_of_every_group_and_hard_ones(store, monkeypatch):
    tiles, hard = panel_tiles(store, CHOSEN, [0, 1], NAMES)
    assert tiles.tolist() == CHOSEN.tolist()  # few enough to keep all
    assert {(tile, name) for tile, name in zip(tiles.tolist(), hard, strict=True) if name} == {
        (7, "road"),
        (2, "water"),
    }
    monkeypatch.setattr("satseg.evaluation.panels.POOL", 5)
    fewer, hard = panel_tiles(store, CHOSEN, [0, 1], NAMES)
    assert fewer.tolist() == sorted(set(fewer))
    drawn = [tile for tile, name in zip(fewer, hard, strict=True) if not name]
    assert 3 <= len(drawn) <= 5  # a drawn one may be hard, too
    groups = store.table.loc[fewer, "group"].value_counts()
    assert groups["south"] == 2  # two by two from either group, then one of the first
    again, _ = panel_tiles(store, CHOSEN, [0, 1], NAMES)
    assert np.array_equal(fewer, again)


def test_models_and_views_vote_with_their_mean_probabilities(store, segmenter):
    torch.manual_seed(1)
    other = segmenter._replace(model=build_model(UNetSpec(**UNET), 2).eval())
    images = torch.from_numpy(store.images).permute(0, 3, 1, 2)
    total = 0
    for member in (segmenter, other):
        for dimensions in ([], [2], [3], [2, 3]):
            total = total + probabilities(member, images.flip(dimensions)).flip(dimensions)

    choice = voted([segmenter, other], "flips")
    found = predict_tiles(segmenter, store, CHOSEN, choice)
    clear = (total[:, 0] - total[:, 1]).abs().numpy() > 1e-4
    assert (found == total.argmax(1).numpy())[clear].all() and clear.mean() > 0.9
    assert (found != predict_tiles(segmenter, store, CHOSEN)).any()
    counts = evaluate_tiles(segmenter, store, CHOSEN, choice=choice)
    for position in range(2):
        true = (found == position) & (store.masks == position)
        np.testing.assert_array_equal(counts[:, position, 0], true.sum((1, 2)))
    assert voted([segmenter], "none") is None
