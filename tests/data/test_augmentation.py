"""Augmentation: what may change, what may not, and that a draw repeats."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import augment, draw_changes
from satseg.data.normalise import to_unit

TILES = torch.arange(40)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.random((40, 3, 8, 6), dtype=np.float32))
    return images, torch.from_numpy(rng.integers(0, 4, (40, 8, 6), dtype=np.uint8))


def test_nothing_by_default(batch):
    images, masks = augment(*batch, TILES, Augmentation(), seed=1, epoch=2)
    assert torch.equal(images, batch[0]) and torch.equal(masks, batch[1])


def test_a_draw_depends_on_seed_epoch_and_tile_alone(batch):
    settings = Augmentation(hflip=True, vflip=True, hue=0.1, brightness=0.2, contrast=0.2)
    images, masks = augment(*batch, TILES, settings, seed=1, epoch=2)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    again = augment(batch[0][order], batch[1][order], TILES[order], settings, seed=1, epoch=2)
    torch.testing.assert_close(again[0], images[order])
    assert torch.equal(again[1], masks[order])
    assert not torch.equal(augment(*batch, TILES, settings, seed=1, epoch=3)[0], images)
    assert not torch.equal(augment(*batch, TILES, settings, seed=2, epoch=2)[0], images)


@pytest.mark.parametrize(("key", "dim"), [("hflip", -1), ("vflip", -2)])
def test_mirrors_image_and_mask_together(batch, key, dim):
    images, masks = augment(*batch, TILES, Augmentation(**{key: True}), seed=0, epoch=0)
    flipped = [torch.equal(images[i], batch[0][i].flip(dim)) for i in range(40)]
    kept = [torch.equal(images[i], batch[0][i]) for i in range(40)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 10 <= sum(flipped) <= 30
    for i in range(40):
        assert torch.equal(masks[i], batch[1][i].flip(dim) if flipped[i] else batch[1][i])


@pytest.mark.parametrize(
    ("key", "reference"),
    [("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast)],
)
def test_factors_agree_with_torchvision(batch, key, reference):
    settings = Augmentation(probability=1, **{key: 0.3})
    images, masks = augment(*batch, TILES, settings, seed=5, epoch=1)
    assert torch.equal(masks, batch[1])
    factors = np.array([
        # The factor each tile was given, found by search.
        min(np.linspace(0.7, 1.3, 601), key=lambda f, i=i: (reference(batch[0][i], f) - images[i]).abs().max())
        for i in range(12)
    ])  # fmt: skip
    for i, factor in enumerate(factors):
        torch.testing.assert_close(reference(batch[0][i], factor), images[i], atol=2e-3, rtol=0)
    assert factors.std() > 0.08


def test_hue_shift_leaves_value_and_moves_hue(batch):
    images, _ = augment(*batch, TILES, Augmentation(probability=1, hue=0.1), seed=5, epoch=1)
    torch.testing.assert_close(images.amax(1), batch[0].amax(1), atol=1e-5, rtol=0)
    assert ((images - batch[0]).abs().amax((1, 2, 3)) > 1e-3).all()


@pytest.mark.parametrize("hue", [0.1, 0.5])
def test_hue_agrees_with_torchvision(batch, hue):
    settings = Augmentation(probability=1, hue=hue)
    # Plain colours and greys too, where hue is on the edge of a sixth or not defined.
    edges = (
        torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)[:24]
        .T.reshape(1, 3, 4, 6)
        .repeat(40, 1, 2, 1)
    )
    for images in (batch[0], edges):
        changed, _ = augment(images, batch[1], TILES, settings, seed=5, epoch=1)
        shifts = [draw_changes(settings, 5, 1, tile)[0] for tile in range(40)]
        assert min(shifts) < -0.7 * hue and max(shifts) > 0.7 * hue
        expected = torch.stack(
            [F.adjust_hue(image, shift) for image, shift in zip(images, shifts, strict=True)]
        )
        torch.testing.assert_close(changed, expected, atol=2e-6, rtol=0)


def test_bytes_and_floats_are_changed_alike(batch):
    settings = Augmentation(hflip=True, vflip=True, hue=0.1, brightness=0.2, contrast=0.2)
    stored = (batch[0] * 255).round().to(torch.uint8)
    before = stored.clone()
    changed, masks = augment(stored, batch[1], TILES, settings, seed=1, epoch=2)
    floats, same = augment(to_unit(stored), batch[1], TILES, settings, seed=1, epoch=2)
    assert changed.dtype == floats.dtype == torch.float32 and torch.equal(stored, before)
    torch.testing.assert_close(changed, floats, atol=2e-6, rtol=0)
    assert torch.equal(masks, same)
    for nothing in (Augmentation(), Augmentation(probability=0, hue=0.5)):
        assert torch.equal(
            augment(stored, batch[1], TILES, nothing, seed=1, epoch=2)[0], to_unit(stored)
        )


def test_probability_zero_changes_nothing(batch):
    settings = Augmentation(
        probability=0, hflip=True, vflip=True, hue=0.5, brightness=0.5, contrast=0.5
    )
    images, masks = augment(*batch, TILES, settings, seed=0, epoch=0)
    torch.testing.assert_close(images, batch[0])
    assert torch.equal(masks, batch[1])


def test_four_bands_have_no_hue_but_contrast(batch):
    images = torch.cat([batch[0], batch[0][:, :1]], 1)
    changed, _ = augment(
        images, batch[1], TILES, Augmentation(probability=1, contrast=0.4), seed=0, epoch=0
    )
    means = images.mean((1, 2, 3), keepdim=True)
    inside = (changed > 0) & (changed < 1)
    ratio = ((changed - means) / (images - means))[inside & ((images - means).abs() > 0.1)]
    assert ratio.min() > 0.59 and ratio.max() < 1.41


def test_contrast_leaves_padding_as_it_is_and_out_of_the_mean(batch):
    height, width = 5, 4
    images = torch.zeros_like(batch[0])
    masks = torch.full_like(batch[1], 255)
    images[:, :, :height, :width] = batch[0][:, :, :height, :width]
    masks[:, :height, :width] = batch[1][:, :height, :width]
    # Ground without a label is no padding, however dark; nor is a black pixel that has one.
    masks[:, 0, 0] = 255
    images[:, :, 1, 1] = 0
    settings = Augmentation(probability=1, contrast=0.4)
    changed, _ = augment(images, masks, TILES, settings, seed=5, epoch=1)
    factors = [draw_changes(settings, 5, 1, tile)[2] for tile in range(40)]
    for image, original, factor in zip(changed, images, factors, strict=True):
        ground = original[:, :height, :width]
        expected = F.adjust_contrast(ground, factor)
        torch.testing.assert_close(image[:, :height, :width], expected, atol=2e-6, rtol=0)
        assert not image[:, height:].any() and not image[:, :, width:].any()
