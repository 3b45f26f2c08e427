"""Overlapping windows: every pixel is covered, and blending them is inference on the whole
image."""

import numpy as np
import pytest
import torch

from satseg.models.segmenter import probabilities
from satseg.prediction.blending import blend
from satseg.prediction.windows import strips, windows, within
from scenery import SPEC, TILE, noise, segmenter

LENGTHS = [1, 31, 64, 65, 100, 128, 129, 500, 1023]


@pytest.mark.parametrize("overlap", [0, 4, 16, 32, 60])
@pytest.mark.parametrize("length", LENGTHS)
def test_windows_cover_a_scene_and_share_every_pixel_out(length, overlap):
    axis = windows(length, 64, overlap, 4)
    starts = np.array(axis.starts)
    assert starts[0] == 0 and length <= starts[-1] + 64 < max(64, length) + 4
    assert (starts % 4 == 0).all()
    assert (np.diff(starts) > 0).all() and (starts[:-1] + 64 - starts[1:] >= overlap).all()
    # No window more than it takes: one fewer could not overlap so much.
    assert len(starts) == 1 or 64 + (len(starts) - 2) * (64 - overlap) < starts[-1] + 64
    total = np.zeros(starts[-1] + 64)
    for start, weight in zip(starts, axis.weights, strict=True):
        total[start : start + 64] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (axis.weights >= 0).all()
    cut = overlap * 3 // 8
    assert not axis.weights[1:, :cut].any() and not axis.weights[:-1, 64 - cut :].any()


def test_strips_part_the_columns_and_each_has_all_its_windows():
    for width in (64, 300, 1001):
        columns = windows(width, 64, 16, 4)
        for limit in (100, 250, 5000):
            parts = strips(columns, width, limit)
            firsts = [first for first, _ in parts]
            lasts = [last for _, last in parts]
            assert firsts == [0, *lasts[:-1]] and lasts[-1] == width
            assert max(last - first for first, last in parts) < limit + 64
            for first, last in parts:
                part = within(columns, first, last)
                total = np.zeros(width + 64)
                for start, weight in zip(part.starts, part.weights, strict=True):
                    total[start : start + 64] += weight
                np.testing.assert_allclose(total[first:last], 1, atol=1e-6)
                assert all(start < last and start + 64 > first for start in part.starts)


def blended(model, image, overlap, first=0, last=None, batch_size=3):
    """Probabilities [C, H, W] of an image [H, W, C], window by window; of a range of columns, if
    one is given."""
    height, width, _ = image.shape
    last = last or width
    rows = windows(height, TILE, overlap, SPEC.stride)
    columns = within(windows(width, TILE, overlap, SPEC.stride), first, last)
    left = columns.starts[0]
    right = columns.starts[-1] + TILE

    def read(top, bottom):
        part = image[top:bottom, left:right]
        return part, np.zeros(part.shape[:2], bool)

    finished = blend(model, read, rows, columns, batch_size, lambda count: None)
    joined = torch.cat([part.probabilities.clone() for part in finished], 1)
    return joined[:, :, first - left : last - left].numpy()


def at_once(model, image):
    """Probabilities [C, H, W] of an image [H, W, C] in one pass."""
    return probabilities(model, torch.from_numpy(image).permute(2, 0, 1)[None])[0].numpy()


def reach(model) -> int:
    """How many pixels away an input can change an output, by trial."""
    image = torch.full((1, 3, 96, 96), 0.5)
    plain = model.model(image)
    farthest = 0
    for place in range(48, 48 + SPEC.stride):
        changed = image.clone()
        changed[..., place, place] = 9.0
        touched = (model.model(changed) - plain).abs().amax((0, 1)) > 0
        distances = (touched.nonzero() - place).abs()
        farthest = max(farthest, int(distances.max()))
    return farthest


@pytest.fixture(scope="module")
def model():
    return segmenter()


@pytest.fixture(scope="module")
def image():
    return np.ascontiguousarray(noise(180, 232).transpose(1, 2, 0))


@torch.inference_mode()
def test_windows_that_overlap_enough_give_what_one_pass_gives(model, image):
    expected = at_once(model, image)
    radius = reach(model)
    overlap = -(-radius * 8 // 3 // SPEC.stride) * SPEC.stride
    assert 0 < radius < overlap < TILE
    np.testing.assert_allclose(blended(model, image, overlap), expected, atol=1e-5)
    # In strips too, and whatever the batch.
    parts = [
        blended(model, image, overlap, *span, batch_size=1)
        for span in ((0, 72), (72, 160), (160, 232))
    ]
    np.testing.assert_allclose(np.concatenate(parts, 2), expected, atol=1e-5)
    # The comparison can fail: windows side by side differ.
    assert abs(blended(model, image, 0) - expected).max() > 0.05


@torch.inference_mode()
def test_no_step_where_windows_meet(model):
    """In a scene of one colour, only the windows could make a column stand out."""
    image = np.full((180, 232, 3), (90, 120, 150), np.uint8)

    def steps(shares):
        """Largest mean change of the probabilities from a column to the next, away from the scene's
        own border."""
        return abs(np.diff(shares, axis=2))[:, 20:-20, 20:-20].mean((0, 1)).max()

    inside = steps(at_once(model, image))
    assert steps(blended(model, image, 16)) < inside * 1.05
    assert steps(blended(model, image, 0)) > inside * 1.2  # without blending it does


def test_empty_windows_are_not_computed(model, image):
    batches = []
    reported = []
    watched = model._replace(model=torch.nn.Sequential(model.model))
    watched.model.register_forward_hook(lambda module, inputs, output: batches.append(len(output)))
    rows = columns = windows(160, TILE, 16, SPEC.stride)
    nodata = np.zeros((160, 160), bool)
    nodata[:100] = True

    def read(top, bottom):
        return image[:160, :160][top:bottom], nodata[top:bottom]

    finished = list(blend(watched, read, rows, columns, 2, reported.append))
    per_row = len(columns.starts)
    live = sum(not nodata[start : start + TILE].all() for start in rows.starts) * per_row
    assert sum(batches) == live < sum(reported) == len(rows.starts) * per_row
    np.testing.assert_array_equal(np.concatenate([part.nodata for part in finished]), nodata)


def test_an_error_while_reading_comes_through(model):
    def read(top, bottom):
        if top > 50:
            raise ZeroDivisionError
        return np.zeros((bottom - top, 64, 3), np.uint8), np.zeros((bottom - top, 64), bool)

    axis = windows(200, TILE, 16, SPEC.stride)
    with pytest.raises(ZeroDivisionError):
        list(blend(model, read, axis, windows(64, TILE, 16, SPEC.stride), 2, lambda count: None))
