"""The mean over models and views, against one forward pass after another."""

import numpy as np
import pytest
import torch

from satseg.data.origin import Origin
from satseg.errors import UserError
from satseg.models.segmenter import probabilities
from satseg.models.voting import (
    VIEWS,
    check_members,
    mean_probabilities,
    restored,
    seen,
)
from scenery import TILE, segmenter


@pytest.mark.parametrize("name", ["flips", "all"])
def test_views_are_distinct_and_undone(name):
    image = torch.arange(16).reshape(1, 1, 4, 4)
    views = [seen(image, view) for view in VIEWS[name]]
    assert len({tuple(view.flatten().tolist()) for view in views}) == len(VIEWS[name])
    for view, turned in zip(VIEWS[name], views, strict=True):
        assert torch.equal(restored(turned, view), image)


def test_the_mean_is_that_of_numpy():
    members = [segmenter(seed=0), segmenter(seed=1)]
    images = torch.randint(0, 256, (2, 3, TILE, TILE), dtype=torch.uint8)
    found = mean_probabilities(members, images, VIEWS["all"])
    total = 0
    for member in members:
        for turns in range(4):
            for mirrored in (False, True):
                pixels = images.numpy()[..., ::-1] if mirrored else images.numpy()
                turned = np.rot90(pixels, turns, (2, 3)).copy()
                shares = probabilities(member, torch.from_numpy(turned)).numpy()
                back = np.rot90(shares, -turns, (2, 3))
                total = total + (back[..., ::-1] if mirrored else back)
    np.testing.assert_allclose(found, total / 16, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"classes": ["No data", "Field", "Wood", "Water"]}, "other classes"),
        ({"counted": [1, 2]}, "other counted classes"),
        ({"bands": 4}, "another number of bands"),
        ({"tile_size": 128}, "another tile size"),
        ({"origin": Origin(pixels={"bands": [3, 2, 1]})}, "another choice or scaling of bands"),
    ],
)
def test_models_of_other_classes_or_tiles_do_not_vote(change, text):
    other = segmenter()._replace(**change)
    with pytest.raises(UserError, match=f"^b.pt: has {text} than a.pt; only models"):
        check_members([segmenter(), other], ["a.pt", "b.pt"])
