"""Predictions averaged over models and over views of an image."""

from collections.abc import Sequence
from itertools import product
from math import lcm
from pathlib import Path

import torch

from satseg.errors import UserError
from satseg.models.segmenter import Segmenter, probabilities

View = tuple[int, bool]
"""Quarter turns, and whether the image is mirrored first."""

ONE: tuple[View, ...] = ((0, False),)
VIEWS: dict[str, tuple[View, ...]] = {
    "none": ONE,
    "flips": tuple(product((0, 2), (False, True))),
    "all": tuple(product(range(4), (False, True))),
}
"""Of test-time augmentation, by the name that the configuration has for it."""

# What models that vote must agree on, as messages call it.
SHARED = {
    "classes": "other classes",
    "counted": "other counted classes",
    "bands": "another number of bands",
    "tile_size": "another tile size",
}
PIXELS = "another choice or scaling of bands"


def seen(images: torch.Tensor, view: View) -> torch.Tensor:
    """Images [..., S, S] as a view shows them."""
    turns, mirrored = view
    return (images.flip(-1) if mirrored else images).rot90(turns, (-2, -1))


def restored(images: torch.Tensor, view: View) -> torch.Tensor:
    """The reverse of `seen`."""
    turns, mirrored = view
    upright = images.rot90(-turns, (-2, -1))
    return upright.flip(-1) if mirrored else upright


def mean_probabilities(
    members: Sequence[Segmenter], images: torch.Tensor, views: Sequence[View] = ONE
) -> torch.Tensor:
    """The mean of the probabilities that models give views of images.

    Args:
        members: models that `check_members` accepts.
        images: uint8 [B, C, S, S] on their device.
        views: the views; more than one need square images.

    Returns:
        float32 [B, counted, S, S].
    """
    total = torch.zeros((), device=images.device)
    for member, view in product(members, views):
        total = total + restored(probabilities(member, seen(images, view)), view)
    return total / (len(members) * len(views))


def check_members(members: Sequence[Segmenter], paths: Sequence[str | Path]) -> int:
    """Accept models that can vote together.

    Args:
        members: the models.
        paths: where each came from, for the message.

    Returns:
        What heights and widths of images must be multiples of for all of them.

    Raises:
        UserError: two differ in classes, bands, tile size or in what images they were trained on.
    """
    first = members[0]
    for member, path in zip(members[1:], paths[1:], strict=True):
        different = [
            text for key, text in SHARED.items() if getattr(member, key) != getattr(first, key)
        ]
        if member.origin.pixels != first.origin.pixels:
            different.append(PIXELS)
        if different:
            raise UserError(
                f"{path}: has {different[0]} than {paths[0]}; only models trained on the same "
                f"classes and tiles can be averaged"
            )

    stride = lcm(*(member.stride for member in members))
    if first.tile_size % stride:
        raise UserError(
            f"{', '.join(map(str, paths))}: windows of {first.tile_size} pixels do not fit all of "
            f"them (multiples of {stride}); predict with each alone"
        )
    return stride
