"""Random changes of training tiles, drawn from (seed, epoch, tile) so that a rerun repeats them in
any order."""

from typing import NamedTuple

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.contrast import change_contrast, change_contrasts, shown
from satseg.data.exchange import Palette
from satseg.data.hue import shift_hue, shift_hues
from satseg.data.normalise import to_unit
from satseg.data.recolour import (
    LOW_SUN_CONTRAST,
    LOW_SUN_GAMMA,
    change_season,
    colour_matrix,
    recolour,
)
from satseg.data.zoom import zoom
from satseg.devices import queues, send

SEASONS = 3  # autumn, winter, a low sun


class Changes(NamedTuple):
    """What happens to one tile in one epoch."""

    hue: float = 0.0
    """Turn, as a share of the colour circle."""
    brightness: float = 1.0
    """Factor."""
    contrast: float = 1.0
    """Factor."""
    mirror_columns: bool = False
    mirror_rows: bool = False
    transpose: bool = False
    """Rows become columns, before the tile is mirrored."""
    zoom: float = 1.0
    """Factor."""
    across: float = 0.0
    """Where the zoomed view lies, -1 to 1."""
    down: float = 0.0
    gamma: float = 1.0
    """Exponent."""
    autumn: float = 0.0
    """Strength, 0 to 1."""
    winter: float = 0.0
    matrix: np.ndarray | None = None
    """What multiplies a pixel's colour, float64 [3, 4]."""

    @property
    def numbers(self) -> list[float]:
        """All in one row, the matrix last."""
        matrix = np.eye(3, 4) if self.matrix is None else self.matrix
        return [*map(float, self[:-1]), *matrix.flatten().tolist()]


SINGLE = len(Changes()) - 1
"""Numbers of a tile's changes, apart from its matrix."""


def augment(
    images: torch.Tensor,
    masks: torch.Tensor,
    tiles: torch.Tensor,
    settings: Augmentation,
    seed: int,
    epoch: int,
    palette: Palette | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch.

    Args:
        images: uint8 [B, C, H, W], or float in [0, 1].
        masks: integer [B, H, W], 255 where there is no label.
        tiles: tile numbers on the host, integer [B]; with `seed` and `epoch` they determine the
            changes.
        settings: the changes that may occur.
        seed: seed of the run.
        epoch: number of the epoch.
        palette: colours of the training tiles, for `exchange`; without them it does not happen.

    Returns:
        Images, float [B, C, H, W] in [0, 1], and masks; the arguments are left unchanged.
    """
    if settings == Augmentation(probability=settings.probability, everywhere=settings.everywhere):
        return (images if images.is_floating_point() else to_unit(images)), masks

    changes = [draw_changes(settings, seed, epoch, tile, palette) for tile in tiles.tolist()]
    if queues(images.device):
        return change_batch(images, masks, changes)
    return change_tiles(images, masks, changes)


def change_tiles(
    images: torch.Tensor, masks: torch.Tensor, changes: list[Changes]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change tiles one by one and plane by plane: all that a tile goes through stays in a CPU's
    cache.

    Args:
        images: as for `augment`.
        masks: as for `augment`.
        changes: those of each tile [B].
    """
    if images.is_floating_point():
        dtype = images.dtype
        scale = 1
    else:
        dtype = torch.float32
        scale = 255
    changed = torch.empty(images.shape, dtype=dtype, device=images.device)
    masks = masks.clone()

    for image, source, mask, change in zip(changed, images, masks, changes, strict=True):
        white = scale
        _place(image, source, mask, change)
        if change.matrix is not None or change.autumn or change.winter:
            image.div_(white)
            white = 1
            _recolour_tile(image, mask, change)

        if change.hue:
            shift_hue(image, change.hue)
        image.div_(white / change.brightness).clamp_(0, 1)
        contrast = change.contrast
        if contrast != 1:
            change_contrast(image, contrast, mask)
        if change.gamma != 1:
            image.pow_(change.gamma)

    return changed, masks


def _place(image: torch.Tensor, source: torch.Tensor, mask: torch.Tensor, change: Changes) -> None:
    """Fill an image [C, H, W] from its source, turned, mirrored and zoomed, and so its mask."""
    if change.transpose:
        source = source.transpose(-1, -2)
        mask.copy_(mask.T.clone())
    axes = []
    if change.mirror_columns:
        axes.append(-1)
    if change.mirror_rows:
        axes.append(-2)
    image.copy_(source.flip(axes) if axes else source)
    if axes:
        mask.copy_(mask.flip(axes))

    if change.zoom != 1:
        factor = image.new_tensor([[change.zoom]])
        shift = image.new_tensor([[change.across, change.down]])
        zoomed, labels = zoom(image[None], mask[None, None], factor, shift)
        image.copy_(zoomed[0])
        mask.copy_(labels[0, 0])


def _recolour_tile(image: torch.Tensor, mask: torch.Tensor, change: Changes) -> None:
    """Change the colours of one tile, in place."""
    if change.matrix is not None:
        matrix = image.new_tensor(change.matrix)
        image.copy_(recolour(image[None], shown(image, mask)[None, None], matrix[None])[0])
    if change.autumn or change.winter:
        autumn, winter = image.new_tensor([change.autumn, change.winter]).reshape(2, 1, 1, 1, 1)
        image.copy_(change_season(image[None], autumn, winter)[0])


def change_batch(
    images: torch.Tensor, masks: torch.Tensor, changes: list[Changes]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same changes of all tiles at once: on a GPU the number of operations is what costs, so
    every tile goes through those that any of the tiles needs; the numbers differ by rounding.

    Args:
        images: as for `augment`.
        masks: as for `augment`.
        changes: those of each tile [B].
    """
    white = 1 if images.is_floating_point() else 255
    coloured = any(change.matrix is not None for change in changes)
    seasons = any(change.autumn or change.winter for change in changes)
    table = np.array([change.numbers for change in changes], np.float32)
    if not coloured and not seasons:
        table[:, 1] /= white
    sent = send(table.T[..., None, None, None].copy(), images.device)
    hue, brightness, contrast, *_, gamma, autumn, winter = sent[:SINGLE].unbind()
    mirror_columns, mirror_rows, transpose = (sent[3:6] > 0).unbind()

    # Image and mask are turned and mirrored as one.
    packed = torch.cat([images, masks[:, None]], 1)
    if any(change.transpose for change in changes):
        packed = torch.where(transpose, packed.transpose(-1, -2), packed)
    if any(change.mirror_columns for change in changes):
        packed = torch.where(mirror_columns, packed.flip(-1), packed)
    if any(change.mirror_rows for change in changes):
        packed = torch.where(mirror_rows, packed.flip(-2), packed)
    labels = packed[:, -1:].to(masks.dtype)
    dtype = images.dtype if images.is_floating_point() else torch.float32
    unit = packed[:, :-1].to(dtype, memory_format=torch.channels_last)

    if any(change.zoom != 1 for change in changes):
        factors, *shifts = sent[6:9, :, 0, 0].unbind()
        zoomed, zoomed_labels = zoom(unit, labels, factors, torch.cat(shifts, 1))
        as_it_is = sent[6] == 1
        unit = torch.where(as_it_is, unit, zoomed)
        labels = torch.where(as_it_is, labels, zoomed_labels)

    if coloured or seasons:
        unit = unit / white
    if coloured:
        pixels = (labels != 255) | unit.any(1, keepdim=True)
        unit = recolour(unit, pixels, sent[SINGLE:, :, 0, 0, 0].T.reshape(-1, 3, 4))
    if seasons:
        unit = change_season(unit, autumn, winter)

    if images.shape[1] == 3 and any(change.hue for change in changes):
        unit = shift_hues(unit, hue)
    unit = (unit * brightness).clamp_(0, 1)
    if any(change.contrast != 1 for change in changes):
        unit = change_contrasts(unit, contrast, labels)
    if any(change.gamma != 1 for change in changes):
        unit = unit**gamma
    return unit, labels[:, 0]


def draw_changes(
    settings: Augmentation, seed: int, epoch: int, tile: int, palette: Palette | None = None
) -> Changes:
    """What happens to a tile; arguments as for `augment`."""
    rng = np.random.default_rng([seed, epoch, tile])

    # Always the same draws, so that enabling one change leaves the others as they were.
    happens = rng.random(5) < settings.probability
    largest = (settings.hue, settings.brightness, settings.contrast)
    hue, brightness, contrast = (rng.uniform(-1, 1, 3) * largest * happens[:3]).tolist()
    turned, zoomed, saturated, bent, another_season, exchanged = (
        rng.random(6) < settings.probability
    ).tolist()
    quarters = int(rng.integers(1, 4)) if turned and settings.rot90 else 0
    across, down, size, saturation, gamma = rng.uniform(-1, 1, 5).tolist()
    strength, share, other = rng.random(3).tolist()
    season = int(rng.integers(SEASONS))

    strengths = np.zeros(SEASONS)
    strengths[season] = strength * settings.season * another_season
    autumn, winter, low_sun = strengths.tolist()
    exchange = None
    if palette is not None and exchanged and settings.exchange:
        exchange = palette.matrix(tile, other, share * settings.exchange)
    saturation = 1 + saturation * settings.saturation * saturated
    plain = saturation == 1 and not low_sun and exchange is None

    return Changes(
        hue=hue,
        brightness=1 + brightness,
        contrast=(1 + contrast) * LOW_SUN_CONTRAST**low_sun,
        # A quarter turn is a transposition, then a mirroring.
        mirror_columns=bool(happens[3] and settings.hflip) != (quarters in (2, 3)),
        mirror_rows=bool(happens[4] and settings.vflip) != (quarters in (1, 2)),
        transpose=quarters in (1, 3),
        zoom=1 + size * settings.scale * zoomed,
        across=across,
        down=down,
        gamma=(1 + gamma * settings.gamma * bent) * LOW_SUN_GAMMA**low_sun,
        autumn=autumn,
        winter=winter,
        matrix=None if plain else colour_matrix(saturation, low_sun, exchange),
    )
