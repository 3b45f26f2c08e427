"""Parts of the loader and of a training step that satseg implements itself, compared with PyTorch's
and torchvision's."""

from functools import partial
from pathlib import Path

import torch
from torch import nn
from torchvision.transforms.v2.functional import adjust_hue

from benchmarks.row import Row, Run
from benchmarks.rows.orchestration import nothing
from satseg.data.hue import shift_hue
from satseg.devices import keep_memory
from satseg.models.segmenter import choose, positions
from satseg.models.unet import Dropout

CLASSES = 6


def hue(folder: Path, tiles: int, size: int, *, ours: bool) -> Run:
    """Shift the hue of tiles in 32 bits."""
    keep_memory()
    images = torch.rand(tiles, 3, size, size, generator=torch.Generator().manual_seed(0))

    def run(_: int) -> dict:
        changed = images.clone()
        for image in changed:
            if ours:
                shift_hue(image, 0.07)
            else:
                image.copy_(adjust_hue(image, 0.07))
        return {"result": changed[:, :, ::8, ::8]}

    return run


def dropout(folder: Path, tiles: int, size: int, *, ours: bool) -> Run:
    """Drop out of 16 channels in bf16."""
    keep_memory()
    torch.manual_seed(0)
    images = torch.ones(tiles, 16, size, size, dtype=torch.bfloat16).to(
        memory_format=torch.channels_last
    )
    layer = (Dropout if ours else nn.Dropout)(0.1)
    return lambda _: {"share": float((layer(images) == 0).float().mean())}


def choice(folder: Path, tiles: int, size: int, *, ours: bool) -> Run:
    """Pick the most likely of the counted classes."""
    keep_memory()
    counted = list(range(CLASSES))
    logits = torch.randn(tiles, size, size, CLASSES, generator=torch.Generator().manual_seed(0))
    logits = logits.to(torch.bfloat16).permute(0, 3, 1, 2)

    def run(_: int) -> dict:
        classes = choose(logits, counted) if ours else logits[:, counted].argmax(1)
        return {"result": classes[:, ::8, ::8]}

    return run


def lookup(folder: Path, tiles: int, size: int, *, ours: bool) -> Run:
    """Map class indices to positions among the counted classes."""
    keep_memory()
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, CLASSES, (tiles, size, size), dtype=torch.uint8, generator=generator)
    table = torch.full((256,), 255)
    table[:CLASSES] = torch.arange(CLASSES)

    def run(_: int) -> dict:
        indices = positions(masks, list(range(CLASSES))) if ours else table[masks.long()]
        return {"result": indices[:, ::8, ::8]}

    return run


def same(results: dict[str, list[dict]]) -> dict:
    """Both give the same result, up to rounding."""
    ours, theirs = (runs[0]["result"] for runs in results.values())
    difference = float((ours - theirs).abs().max())
    assert difference < 3e-6
    return {"largest_difference": difference}


def same_share(results: dict[str, list[dict]]) -> dict:
    """Both drop a tenth."""
    shares = {side: round(runs[0]["share"], 3) for side, runs in results.items()}
    assert all(abs(share - 0.1) < 0.01 for share in shares.values())
    return {"share": shares}


def _row(name: str, what: str, against: str, side: object, check: object) -> Row:
    return Row(
        name=f"part_{name}",
        what=what,
        against=against,
        sides={"satseg": partial(side, ours=True), against: partial(side, ours=False)},
        make=nothing,
        sizes={"tiles": 8, "size": 512},
        quick={"tiles": 2, "size": 64},
        check=check,
        repeats=7,
        modules=("torchvision",),
        notes="One thread; both sides keep freed memory.",
    )


ROWS = [
    _row("hue", "hue shift of 8 tiles of 512²", "torchvision's adjust_hue", hue, same),
    _row("dropout", "dropout of 8 × 16 channels of 512², bf16", "nn.Dropout", dropout, same_share),
    _row(
        "choice",
        "most likely of 6 classes, 8 tiles of 512², bf16",
        "indexing and argmax",
        choice,
        same,
    ),
    _row("lookup", "positions of 8 masks' classes", "indexing", lookup, same),
]
