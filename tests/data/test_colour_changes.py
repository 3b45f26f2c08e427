"""Turned and zoomed tiles, other seasons, other scenes' colours, saturation and gamma."""

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import augment, draw_changes
from satseg.data.exchange import AXES, palette
from satseg.data.recolour import change_season
from satseg.data.store import Tiles
from satseg.data.zoom import zoom

TILES = torch.arange(40)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.random((40, 3, 8, 8), dtype=np.float32))
    return images, torch.from_numpy(rng.integers(0, 4, (40, 8, 8), dtype=np.uint8))


def changed(batch, epoch=1, **keys):
    return augment(*batch, TILES, Augmentation(probability=1, **keys), seed=5, epoch=epoch)


def test_quarter_turns_of_image_and_mask(batch):
    images, masks = changed(batch, rot90=True)
    turns = []
    for i in range(40):
        (k,) = [
            k for k in range(4) if torch.equal(images[i], torch.rot90(batch[0][i], k, (-2, -1)))
        ]
        assert torch.equal(masks[i], torch.rot90(batch[1][i], k, (-2, -1)))
        turns.append(k)
    assert set(turns) == {1, 2, 3}


def test_new_changes_leave_the_draws_of_the_others_alone():
    old = {"hue": 0.1, "brightness": 0.1, "contrast": 0.1, "hflip": True, "vflip": True}
    new = {"scale": 0.2, "saturation": 0.3, "gamma": 0.2, "season": 1.0}
    for tile in range(40):
        one = draw_changes(Augmentation(**old), 3, 2, tile)
        other = draw_changes(Augmentation(**old, **new), 3, 2, tile)
        assert one[:2] == other[:2] and one[3:6] == other[3:6]


def test_an_enlarged_tile_is_a_window_resized():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 16, 16)
    masks = torch.randint(0, 4, (2, 1, 16, 16), dtype=torch.uint8)
    # Twice as large: windows of 8², here in the middle and in the upper right corner.
    factors = torch.tensor([[2.0], [2.0]])
    shifts = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    larger, labels = zoom(images, masks, factors, shifts)
    for i, (row, column) in enumerate([(4, 4), (0, 8)]):
        window = masks[i, :, row : row + 8, column : column + 8]
        assert torch.equal(labels[i], window.repeat_interleave(2, 1).repeat_interleave(2, 2))
        view = images[i : i + 1, :, row : row + 8, column : column + 8]
        resized = torch.nn.functional.interpolate(view, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(larger[i, :, 2:-2, 2:-2], resized[0, :, 2:-2, 2:-2])


def test_a_shrunk_tile_leaves_padding_without_labels():
    images = torch.full((1, 3, 16, 16), 0.5)
    masks = torch.full((1, 1, 16, 16), 2, dtype=torch.uint8)
    smaller, labels = zoom(images, masks, torch.tensor([[0.5]]), torch.tensor([[0.0, 0.0]]))
    assert torch.equal(labels[0, 0] == 2, smaller[0, 0] > 0)
    assert (labels[0, 0] == 2).sum() == 64 and (labels == 255).sum() == 192


def test_scale_stays_within_its_range(batch):
    factors = [
        draw_changes(Augmentation(probability=1, scale=0.3), 5, 1, tile).zoom for tile in range(99)
    ]
    assert 0.7 <= min(factors) < 0.75 and 1.25 < max(factors) <= 1.3


def test_gamma_and_saturation_agree_with_torchvision(batch):
    images, _ = changed(batch, gamma=0.4)
    turned, _ = changed(batch, saturation=0.4)
    for tile in range(40):
        gamma = draw_changes(Augmentation(probability=1, gamma=0.4), 5, 1, tile).gamma
        torch.testing.assert_close(images[tile], F.adjust_gamma(batch[0][tile], gamma))
        drawn = draw_changes(Augmentation(probability=1, saturation=0.4), 5, 1, tile)
        grey = np.array([0.2989, 0.587, 0.114]) / 0.9999
        factor = (drawn.matrix[0, 0] - grey[0]) / (1 - grey[0])
        expected = F.adjust_saturation(batch[0][tile], factor)
        torch.testing.assert_close(turned[tile], expected, atol=2e-4, rtol=0)


def flat(*colour):
    return torch.tensor(colour).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)


def strength(value):
    return torch.full((1, 1, 1, 1), value)


def test_seasons_change_what_they_are_about():
    leaf, soil, roof, water = [
        flat(*colour)
        for colour in [(0.3, 0.42, 0.28), (0.6, 0.5, 0.4), (0.5, 0.5, 0.5), (0.1, 0.2, 0.3)]
    ]
    for unchanged in (soil, roof, water):
        autumn = change_season(unchanged, strength(1.0), strength(0.0))
        torch.testing.assert_close(autumn, unchanged)
    red, green, blue = change_season(leaf, strength(1.0), strength(0.0))[0, :, 0, 0]
    assert red > green > blue
    for paler in (leaf, soil):
        winter = change_season(paler, strength(0.0), strength(1.0))
        assert winter.min() > paler.min() and winter.std() < paler.std()
    for unchanged in (roof, water):
        winter = change_season(unchanged, strength(0.0), strength(1.0))
        torch.testing.assert_close(winter, unchanged)


def test_one_season_a_tile_and_the_masks_stay(batch):
    settings = Augmentation(probability=1, season=1.0)
    drawn = [draw_changes(settings, 5, 1, tile) for tile in range(60)]
    kinds = [(c.autumn > 0, c.winter > 0, c.gamma > 1 and c.contrast > 1) for c in drawn]
    assert all(sum(kind) == 1 for kind in kinds) and len(set(kinds)) == 3
    assert torch.equal(changed(batch, season=1.0)[1], batch[1])


@pytest.fixture
def store():
    rng = np.random.default_rng(1)
    images = np.empty((6, 16, 16, 3), np.uint8)
    for i in range(6):
        base = rng.normal(rng.uniform(90, 160, 3), rng.uniform(8, 20, 3), (16, 16, 3))
        images[i] = base.clip(0, 255)
    masks = np.zeros((6, 16, 16), np.uint8)
    images[5, 8:] = 0
    masks[5, 8:] = 255
    table = pd.DataFrame({"tile": range(6), "scene": list("aabbcc")})
    return Tiles(images, masks, table, None)


def test_the_colours_of_another_scene(store):
    colours = palette(store, np.array([0, 2, 5]))
    half = store.images[5, :8].reshape(-1, 3) / 255 @ AXES.T
    np.testing.assert_allclose(colours.means[2], half.mean(0))
    np.testing.assert_allclose(colours.deviations[2], half.std(0))

    matrix = colours.matrix(0, 0.99, 1.0)  # the last of the others
    pixels = store.images[0].reshape(-1, 3) / 255
    moved = (pixels @ matrix[:, :3].T + matrix[:, 3]) @ AXES.T
    np.testing.assert_allclose(moved.mean(0), colours.means[2], atol=1e-9)
    wanted = np.clip(colours.deviations[2] / colours.deviations[0], 0.5, 2) * colours.deviations[0]
    np.testing.assert_allclose(moved.std(0), wanted, atol=1e-9)

    np.testing.assert_allclose(colours.matrix(0, 0.0, 0.0), np.eye(3, 4), atol=1e-12)
    assert colours.matrix(1, 0.5, 1.0) is None  # no training tile
    alone = palette(store, np.array([0, 1]))
    assert alone.matrix(0, 0.5, 1.0) is None  # no other scene


def test_padding_stays_black_in_other_colours(store):
    colours = palette(store, np.arange(6))
    images = torch.from_numpy(store.images).permute(0, 3, 1, 2)
    masks = torch.from_numpy(store.masks)
    settings = Augmentation(probability=1, exchange=1.0)
    moved, labels = augment(images, masks, torch.arange(6), settings, 0, 0, colours)
    assert torch.equal(labels, masks)
    assert not moved[5, :, 8:].any() and not torch.equal(moved[5, :, :8], images[5, :, :8] / 255)
