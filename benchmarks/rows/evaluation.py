"""Evaluating a trained model: counting alone, and the whole evaluation."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F

from benchmarks.imagery import write_pngs, write_store
from benchmarks.row import Row, Run
from satseg.config.reading import load
from satseg.data.store import open_tiles
from satseg.devices import keep_memory, resolve_precision
from satseg.evaluation.counting import evaluate_tiles
from satseg.metrics.counts import tile_counts
from satseg.models import build_model
from satseg.models.segmenter import (
    Segmenter,
    choose,
    load_weights,
    positions,
    predict,
    save_weights,
)

CLASSES = 6


def make_masks(folder: Path, tiles: int, size: int, drawn: int) -> None:
    """Tiles with masks."""
    write_store(folder, tiles, size, CLASSES, drawn)


def _logits(folder: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits bfloat16 [B, C, H, W] that are right on most pixels, channels last as models return
    them, and masks."""
    masks = torch.from_numpy(np.array(open_tiles(folder / "tiles").masks))
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(masks), size, size, CLASSES, generator=generator)
    logits += 2 * torch.nn.functional.one_hot(masks.long(), CLASSES)
    return logits.to(torch.bfloat16).permute(0, 3, 1, 2), masks


def satseg_counting(folder: Path, size: int, **_: object) -> Run:
    """From logits and masks to counts, as in `satseg.stages.evaluate`."""
    keep_memory()
    logits, masks = _logits(folder, size)
    counted = list(range(CLASSES))

    def run(_: int) -> dict:
        target = positions(masks, counted)
        return {"counts": tile_counts(choose(logits, counted), target, CLASSES).numpy()}

    return run


def loop_counting(folder: Path, size: int, **_: object) -> Run:
    """Image by image, class by class."""
    logits, masks = _logits(folder, size)
    logits = logits.float().contiguous()

    def run(_: int) -> dict:
        pairs = zip(logits, masks, strict=True)
        return {"counts": np.array([_class_by_class(image[None], mask) for image, mask in pairs])}

    return run


def _class_by_class(logits: torch.Tensor, mask: torch.Tensor) -> list[list[int]]:
    """Counts of one image, as in the papers' loops."""
    prediction = logits.argmax(1)[0]
    target = mask.long()
    counts = []
    for index in range(CLASSES):
        predicted = prediction == index
        actual = target == index
        parts = (
            predicted & actual,
            predicted & ~actual,
            ~predicted & actual,
            ~predicted & ~actual,
        )
        counts.append([int(part.sum().item()) for part in parts])
    return counts


def make_model(folder: Path, tiles: int, size: int, drawn: int, model: str) -> None:
    """Tiles in both formats and the weights of an untrained model."""
    store = write_store(folder, tiles, size, CLASSES, drawn)
    write_pngs(folder, store)
    entry = load().models[model]
    torch.manual_seed(0)
    net = build_model(entry, CLASSES, 3)
    save_weights(
        folder / "weights.pt",
        net,
        entry,
        3,
        classes=[f"class{i}" for i in range(CLASSES)],
        counted=list(range(CLASSES)),
        padded_tiles=True,
        batch_size=8,
        scaling="unit",
        precision=resolve_precision("auto"),
        dataset="made",
        tile_size=size,
        origin=store.origin.model_dump(),
    )


def satseg_evaluation(folder: Path, **_: object) -> Run:
    """As the stage evaluates, in the precision that satseg trains in on this device."""
    keep_memory()
    return _evaluating(folder, load_weights(folder / "weights.pt"))


def satseg_evaluation_32(folder: Path, **_: object) -> Run:
    """The same in 32 bits."""
    keep_memory()
    return _evaluating(folder, load_weights(folder / "weights.pt")._replace(precision="32"))


def _evaluating(folder: Path, segmenter: Segmenter) -> Run:
    store = open_tiles(folder / "tiles")
    return lambda _: {
        "counts": evaluate_tiles(segmenter, store, np.arange(len(store.images)), None)
    }


def forward_alone(folder: Path, tiles: int, **_: object) -> Run:
    """The forward pass on as many tiles, already read, and nothing else."""
    keep_memory()
    segmenter = load_weights(folder / "weights.pt")
    images = torch.from_numpy(np.array(open_tiles(folder / "tiles").images)).permute(0, 3, 1, 2)

    def run(_: int) -> dict:
        for part in images.split(segmenter.batch_size):
            predict(segmenter, part)
        return {"tiles": tiles}

    return run


@torch.no_grad()
def loop_evaluation(folder: Path, tiles: int, **_: object) -> Run:
    """The paper's loop: Pillow, 32 bits, one image at a time, class by class."""
    model = load_weights(folder / "weights.pt").model.to(memory_format=torch.contiguous_format)

    @torch.no_grad()
    def run(_: int) -> dict:
        counts = []
        for tile in range(tiles):
            image = F.to_tensor(Image.open(folder / "png" / f"{tile}.png"))
            mask = torch.from_numpy(np.array(Image.open(folder / "png" / f"{tile}_m.png")))
            counts.append(_class_by_class(model(image[None]), mask))
        return {"counts": np.array(counts)}

    return run


def equal_counts(results: dict[str, list[dict]]) -> dict:
    """Every count is the same."""
    ours = results["satseg"][0]["counts"]
    theirs = results["loop"][0]["counts"]
    assert np.array_equal(ours, theirs)
    return {"equal_counts": True, "counts": ours.size, "pixels": int(ours[:, 0].sum())}


def near_counts(results: dict[str, list[dict]]) -> dict:
    """The share of all pixels that are counted differently: rounding decides where two classes are
    practically tied."""
    theirs = results["loop"][0]["counts"]
    facts = {}
    for side in ("satseg", "satseg, 32 bits"):
        ours = results[side][0]["counts"]
        assert np.array_equal(ours.sum(2), theirs.sum(2))
        differing = np.abs(ours - theirs).sum() / 2
        facts[f"share counted differently, {side}"] = float(differing / theirs[:, 0].sum())
    assert facts["share counted differently, satseg, 32 bits"] < 1e-4
    return facts


ROWS = [
    Row(
        name="evaluation_counting",
        what="evaluation: from logits and masks to counts",
        against="the paper's image-by-image, class-by-class loop",
        sides={"satseg": satseg_counting, "loop": loop_counting},
        make=make_masks,
        sizes={"tiles": 16, "size": 512, "drawn": 1024},
        quick={"tiles": 4, "size": 64, "drawn": 128},
        check=equal_counts,
        at_least=5,
        notes="One thread; six classes; the same logits, in bf16 as satseg's models return them "
        "and in "
        "fp32 for the loop.",
    ),
    Row(
        name="evaluation",
        what="evaluation: reading, predicting and counting, {model}",
        against="the paper's loop: Pillow, fp32, one image at a time, class by class",
        sides={
            "satseg": satseg_evaluation,
            "loop": loop_evaluation,
            "satseg, 32 bits": satseg_evaluation_32,
            "forward pass alone": forward_alone,
        },
        make=make_model,
        sizes={"tiles": 16, "size": 512, "drawn": 1024, "model": "unet_skinny"},
        quick={"tiles": 2, "size": 64, "drawn": 128, "model": "unet_tiny"},
        check=near_counts,
        threads=2,
        repeats=3,
        at_least=5,
        notes="Two threads. Counts differ only where the precision of the forward pass decides "
        "between "
        "two classes.",
    ),
]
